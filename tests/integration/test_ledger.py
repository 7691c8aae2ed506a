from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.ledger import (
    DAMAGED,
    LedgerWriter,
    Position,
    count_unread,
    encode_entry,
    has_unread,
    read_entries,
    remove_before,
    segments,
)
from ingest.taking import DamagedEntry, ReceivedInstance, taken
from tests.integration.filling import files_at_most
from voorrang.archive.durable import ArchiveFullError

pytestmark = pytest.mark.integration

MANY = 1_000_000
BEGINNING = Position()


def make_writer(folder: Path, segment_bytes: int = 1 << 20) -> LedgerWriter:
    writer = LedgerWriter(folder, segment_bytes)
    writer.open()
    return writer


def append(writer: LedgerWriter, *numbers: int, counts: bool = True) -> None:
    for number in numbers:
        writer.append(encode_entry({"kind": "instance", "n": number}), counts)


def numbers(entries: list[dict[str, Any]]) -> list[int | None]:
    return [entry.get("n") for entry in entries]


def read(folder: Path, position: Position = BEGINNING, limit: int = MANY) -> list[int | None]:
    return numbers(read_entries(folder, position, limit)[0])


def last_segment(folder: Path) -> Path:
    return max(folder.iterdir())


class TestReading:
    def test_entries_come_back_in_order_as_they_were_written(self, tmp_path: Path) -> None:
        writer = make_writer(tmp_path)
        writer.append(encode_entry({"kind": "instance", "name": 'é"\n', "deep": {"a": [1, None]}}), counts=True)
        writer.append(encode_entry({"kind": "refusal"}), counts=False)
        entries, _ = read_entries(tmp_path, BEGINNING, MANY)
        assert entries == [
            {"kind": "instance", "name": 'é"\n', "deep": {"a": [1, None]}, "counts": True},
            {"kind": "refusal"},
        ]

    def test_nothing_was_written_yet(self, tmp_path: Path) -> None:
        assert read_entries(tmp_path / "none", BEGINNING, 5) == ([], BEGINNING)
        make_writer(tmp_path)
        assert read_entries(tmp_path, BEGINNING, 5)[0] == []
        assert not has_unread(tmp_path, BEGINNING)

    @pytest.mark.parametrize("segment_bytes", [1 << 20, 100, 1])
    @pytest.mark.parametrize("limit", [1, 3, 7])
    def test_each_is_read_once_whatever_the_steps(self, tmp_path: Path, segment_bytes: int, limit: int) -> None:
        writer = make_writer(tmp_path, segment_bytes)
        append(writer, *range(20))
        found: list[int | None] = []
        position = BEGINNING
        while True:
            entries, after = read_entries(tmp_path, position, limit)
            assert has_unread(tmp_path, position) is bool(entries)
            assert count_unread(tmp_path, position) == 20 - len(found)
            if not entries:
                break
            assert len(entries) <= limit
            assert after > position
            found += numbers(entries)
            position = after
        assert found == list(range(20))

    def test_what_comes_later_is_found_from_where_it_stopped(self, tmp_path: Path) -> None:
        writer = make_writer(tmp_path, 60)
        position = BEGINNING
        for number in range(12):
            append(writer, number)
            entries, position = read_entries(tmp_path, position, 5)
            assert numbers(entries) == [number]

    def test_only_what_counts_is_counted(self, tmp_path: Path) -> None:
        writer = make_writer(tmp_path)
        append(writer, 1, 2)
        append(writer, 3, counts=False)
        append(writer, 4)
        assert count_unread(tmp_path, BEGINNING) == 3
        _, after = read_entries(tmp_path, BEGINNING, 2)
        assert count_unread(tmp_path, after) == 1

    def test_threads_write_whole_lines(self, tmp_path: Path) -> None:
        writer = make_writer(tmp_path, 2000)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda start: append(writer, *range(start, start + 100)), range(0, 400, 100)))
        found = read(tmp_path)
        assert sorted(n for n in found if n is not None) == list(range(400))
        for start in range(0, 400, 100):
            assert [n for n in found if n is not None and start <= n < start + 100] == list(range(start, start + 100))


class TestDamage:
    def test_a_torn_last_line_is_left_until_it_has_its_end(self, tmp_path: Path) -> None:
        append(make_writer(tmp_path), 1, 2)
        path = last_segment(tmp_path)
        whole = path.read_bytes()
        for cut in range(len(whole) // 2, len(whole)):
            path.write_bytes(whole[:cut])
            entries, after = read_entries(tmp_path, BEGINNING, MANY)
            assert numbers(entries) == [1]
            path.write_bytes(whole)
            assert read(tmp_path, after) == [2]

    def test_a_damaged_line_stops_nothing(self, tmp_path: Path) -> None:
        append(make_writer(tmp_path), 1, 2, 3)
        path = last_segment(tmp_path)
        first, second, third = path.read_bytes().splitlines(keepends=True)
        for damaged in (bytes(len(second) - 1) + b"\n", second[5:], b"\xff" + second, b"\n", b"5\n", b'["kind"]\n'):
            path.write_bytes(first + damaged + third)
            entries, after = read_entries(tmp_path, BEGINNING, MANY)
            assert numbers(entries) == [1, None, 3]
            assert entries[1] == {"kind": DAMAGED}
            assert after.offset == path.stat().st_size
            assert isinstance(taken(entries[1]), DamagedEntry)

    @settings(max_examples=150, deadline=None)
    @given(at=st.integers(0, 2**31), value=st.integers(0, 255), length=st.integers(1, 40))
    def test_whatever_became_of_an_instances_line_it_is_taken_or_damaged(
        self, at: int, value: int, length: int
    ) -> None:
        line = encode_entry(ENTRY)
        at %= len(line)
        changed = (line[:at] + bytes([value]) * length + line[at + length :]).replace(b"\n", b" ")
        try:
            entry = json.loads(changed)
        except ValueError:
            return  # damaged already
        if isinstance(entry, dict):
            assert taken(entry) is None or isinstance(taken(entry), ReceivedInstance | DamagedEntry)

    def test_an_instance_of_which_everything_is_there_is_taken(self) -> None:
        assert isinstance(taken(ENTRY), ReceivedInstance)

    @pytest.mark.parametrize("missing", ["sop_instance_uid", "sop_class_uid", "transfer_syntax_uid"])
    def test_an_instance_of_whose_header_something_is_not_there_is_damaged(self, missing: str) -> None:
        header = ENTRY["header"]
        assert isinstance(header, dict)
        assert isinstance(taken({**ENTRY, "header": {k: v for k, v in header.items() if k != missing}}), DamagedEntry)

    @pytest.mark.parametrize("field", ["header", "patient_key", "purpose", "received_at", "locator", "kind"])
    def test_an_instance_of_which_something_is_not_there_is_damaged(self, field: str) -> None:
        assert isinstance(taken({k: v for k, v in ENTRY.items() if k != field}), DamagedEntry)

    @pytest.mark.parametrize(("field", "value"), [("purpose", "clinicam"), ("received_at", "yesterday"), ("header", 5)])
    def test_so_is_one_that_says_what_it_cannot(self, field: str, value: object) -> None:
        assert isinstance(taken({**ENTRY, field: value}), DamagedEntry)

    def test_so_is_one_whose_header_has_an_element_that_is_none(self) -> None:
        header = ENTRY["header"]
        assert isinstance(header, dict)
        assert isinstance(taken({**ENTRY, "header": {**header, "modalitx": "CT"}}), DamagedEntry)

    def test_what_intake_does_not_know_is_passed_over(self) -> None:
        assert taken({"kind": "association"}) is None


ENTRY = {
    "kind": "instance",
    "outcome": "new",
    "locator": "studies/00/1.2/1.2.3/1.2.3.4.dcm",
    "size_bytes": 5,
    "sender": "SCANNER",
    "purpose": "clinical",
    "patient_key": "p_0",
    "order_key": "",
    "identity": "0",
    "received_at": "2026-11-22T08:00:00+00:00",
    "header": {
        "study_instance_uid": "1.2",
        "series_instance_uid": "1.2.3",
        "sop_instance_uid": "1.2.3.4",
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
    },
}


class TestSegments:
    def test_a_new_writer_never_appends_to_a_segment_that_may_be_torn(self, tmp_path: Path) -> None:
        append(make_writer(tmp_path), 1, 2)
        path = last_segment(tmp_path)
        path.write_bytes(path.read_bytes()[:-3])
        entries, position = read_entries(tmp_path, BEGINNING, MANY)
        assert numbers(entries) == [1]

        append(make_writer(tmp_path), 3)
        assert path.read_bytes()[-1:] != b"\n"
        assert read(tmp_path) == [1, 3]
        assert read(tmp_path, position) == [3]

    def test_a_segment_that_a_crash_cut_shorter_than_was_read_stops_nothing(self, tmp_path: Path) -> None:
        append(make_writer(tmp_path), 1, 2)
        _, position = read_entries(tmp_path, BEGINNING, MANY)
        last_segment(tmp_path).write_bytes(b"")
        append(make_writer(tmp_path), 3)
        assert read(tmp_path, position) == [3]

    def test_a_full_segment_is_followed_by_the_next(self, tmp_path: Path) -> None:
        writer = make_writer(tmp_path, 100)
        append(writer, *range(10))
        assert len(segments(tmp_path)) > 2
        assert all(path.stat().st_size <= 100 for path in tmp_path.iterdir())
        assert read(tmp_path) == list(range(10))

    def test_an_entry_that_is_longer_than_a_segment_has_one_of_its_own(self, tmp_path: Path) -> None:
        writer = make_writer(tmp_path, 50)
        append(writer, 1)
        writer.append(encode_entry({"n": 2, "long": "x" * 200}), counts=True)
        append(writer, 3)
        assert read(tmp_path) == [1, 2, 3]

    def test_what_was_read_is_removed_but_never_the_last(self, tmp_path: Path) -> None:
        writer = make_writer(tmp_path, 1)
        append(writer, *range(6))
        _, position = read_entries(tmp_path, BEGINNING, 3)
        remove_before(tmp_path, position)
        assert read(tmp_path, position) == [3, 4, 5]
        assert position.segment == min(segments(tmp_path))

        _, position = read_entries(tmp_path, position, MANY)
        remove_before(tmp_path, Position(position.segment + 5))
        assert segments(tmp_path) == [position.segment]
        append(writer, 6)
        assert read(tmp_path, position) == [6]

    def test_a_writer_that_starts_does_not_go_back_where_others_have_read(self, tmp_path: Path) -> None:
        for number in range(4):
            append(make_writer(tmp_path), number)
        assert read(tmp_path) == [0, 1, 2, 3]
        assert segments(tmp_path) == sorted(set(segments(tmp_path)))

    def test_numbers_grow_with_the_clock_when_the_folder_was_taken_away(self, tmp_path: Path) -> None:
        folder = tmp_path / "ledger"
        began_at = int(time())
        append(make_writer(folder), 1)
        (first,) = segments(folder)
        assert first >= began_at
        shutil.rmtree(folder)
        make_writer(folder)
        (second,) = segments(folder)
        assert second >= first

    def test_a_clock_that_went_back_does_not_make_numbers_go_back(self, tmp_path: Path) -> None:
        ahead = int(time()) + 1_000_000
        (tmp_path / f"{ahead:010d}.ledger").write_bytes(b'{"n":1}\n')
        writer = make_writer(tmp_path, 1)
        append(writer, 2, 3)
        assert read(tmp_path) == [1, 2, 3]
        assert min(segments(tmp_path)) == ahead

    def test_files_of_somebody_else_are_no_segments(self, tmp_path: Path) -> None:
        append(make_writer(tmp_path), 1)
        (tmp_path / "notes.txt").write_text("not ours")
        assert read(tmp_path) == [1]


class TestFullDisk:
    def test_what_is_refused_leaves_no_half_line_and_the_next_is_whole(self, tmp_path: Path) -> None:
        writer = make_writer(tmp_path)
        append(writer, 1)
        size = last_segment(tmp_path).stat().st_size
        for room in (0, 1, 10):
            with files_at_most(size + room), pytest.raises(ArchiveFullError):
                append(writer, 2)
            assert last_segment(tmp_path).stat().st_size == size
        append(writer, 3)
        assert read(tmp_path) == [1, 3]

    def test_a_next_segment_that_cannot_be_made_is_asked_for_again(self, tmp_path: Path) -> None:
        folder = tmp_path / "ledger"
        writer = make_writer(folder, 1)
        append(writer, 1)
        folder.rename(tmp_path / "away")
        for _ in range(2):
            with pytest.raises(ArchiveFullError):
                append(writer, 2)
        (tmp_path / "away").rename(folder)
        assert read(folder) == [1]
        append(writer, 3)
        writer.sync()
        writer.close()
        assert read(folder) == [1, 3]
