from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.write_ahead import SEGMENT, Written, append, make_log, opened, read, write
from voorrang.archive.write_ahead_log import BLOCK

pytestmark = pytest.mark.integration

MEMORY = Path("/dev/shm")
EXAMPLES = settings(max_examples=120, deadline=None)


class TestReadingBack:
    def test_records_come_back_in_order_with_what_they_say_and_carry(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            written = write(log, 0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK, 0, 7 * BLOCK, 7 * BLOCK)
        assert list(written) == list(range(1, 10))
        assert read(tmp_path) == written

    @pytest.mark.parametrize("size", [1, BLOCK - 36, BLOCK - 35, BLOCK, 3 * BLOCK])
    def test_a_long_meta_comes_back(self, tmp_path: Path, size: int) -> None:
        with opened(tmp_path) as log:
            append(log, b"m" * size, b"payload")
        assert list(read(tmp_path).values()) == [(b"m" * size, b"payload")]

    def test_a_folder_that_is_not_there_holds_nothing(self, tmp_path: Path) -> None:
        assert read(tmp_path / "none") == {}

    def test_reading_twice_gives_the_same(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            written = write(log, 10, 20)
        assert read(tmp_path) == read(tmp_path) == written

    def test_what_was_read_counts_as_done_once_the_next_begins(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            write(log, 10, 20)
        again = make_log(tmp_path)
        assert len(list(again.records())) == 2
        again.open()
        assert read(tmp_path) == {}
        written = write(again, 30)
        again.close()
        assert list(written) == [3]
        assert read(tmp_path) == written

    def test_a_crash_before_the_next_begins_loses_nothing(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            written = write(log, 10, 20)
        assert len(list(make_log(tmp_path).records())) == 2
        assert read(tmp_path) == written

    def test_segments_of_another_size_are_made_anew(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            write(log, 10, 20)
        log = make_log(tmp_path, segment_bytes=2 * SEGMENT)
        assert len(list(log.records())) == 2
        log.open()
        written = write(log, 30)
        log.close()
        assert read(tmp_path) == written
        assert {path.stat().st_size for path in tmp_path.glob("segment-*")} == {2 * SEGMENT}

    @pytest.mark.skipif(not MEMORY.is_dir(), reason="no /dev/shm")
    def test_a_file_system_in_memory_will_do(self) -> None:
        with TemporaryDirectory(dir=MEMORY) as folder:
            with opened(Path(folder)) as log:
                written = write(log, 0, 10, 5 * BLOCK, 7 * BLOCK, 7 * BLOCK)
            assert read(Path(folder)) == written


SIZES = (10, 3 * BLOCK, 0, BLOCK + 100, 0, 2 * BLOCK)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Written]:
    """A log of records that are all whole."""
    folder = tmp_path_factory.mktemp("log")
    with opened(folder) as log:
        return folder, write(log, *SIZES)


class TestDamage:
    BLOCKS = (2, 4, 1, 3, 1, 3)  # of each: one for what it says, and those of its payload

    @EXAMPLES
    @given(data=st.data())
    def test_a_torn_record_is_dropped_and_those_around_it_are_kept(
        self, whole: tuple[Path, Written], data: st.DataObject
    ) -> None:
        source, written = whole
        number = data.draw(st.integers(0, len(SIZES) - 1))
        size = self.BLOCKS[number] * BLOCK
        near = st.one_of(st.integers(0, 40), st.integers(0, size - 1))
        first = data.draw(near)
        length = data.draw(st.one_of(st.just(1), st.just(size), st.integers(1, size)))
        content = bytearray((source / "segment-000").read_bytes())
        start = sum(self.BLOCKS[:number]) * BLOCK
        piece = slice(start + first, min(start + first + length, start + size))
        before = bytes(content[piece])
        how = data.draw(st.sampled_from(["zero", "flip", "other"]))
        damaged = {"zero": bytes(len(before)), "flip": bytes(b ^ 0xFF for b in before), "other": b"V" * len(before)}[
            how
        ]
        says, carries = range(36 + len(written[number + 1][0])), range(BLOCK, BLOCK + SIZES[number])
        is_torn = any(
            old != new and (place in says or place in carries)
            for place, (old, new) in enumerate(zip(before, damaged, strict=True), first)
        )
        content[piece] = damaged
        with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
            shutil.copy(source / "checkpoint.json", folder)
            (Path(folder) / "segment-000").write_bytes(content)
            found = read(Path(folder))
        others = {serial: record for serial, record in written.items() if serial != number + 1}
        assert found == (others if is_torn else written)  # padding is nobody's

    def test_the_number_of_a_torn_last_record_is_given_again(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            written = write(log, 10, 3 * BLOCK)
        path = tmp_path / "segment-000"
        path.write_bytes(path.read_bytes()[: 4 * BLOCK] + bytes(SEGMENT - 4 * BLOCK))
        again = make_log(tmp_path)
        assert [record.serial for record in again.records()] == [1]
        again.open()
        later = write(again, 5)
        again.close()
        assert list(later) == [2]
        assert read(tmp_path) == later != {2: written[2]}

    @pytest.mark.parametrize("how", ["cut", "empty", "strange"])
    def test_a_segment_that_was_not_finished_stops_nothing(self, tmp_path: Path, how: str) -> None:
        with opened(tmp_path) as log:
            written = write(log, 10)
        more = tmp_path / "segment-001"
        more.write_bytes({"cut": bytes(BLOCK + 7), "empty": b"", "strange": b"VRWAL001" * 1000}[how])
        log = make_log(tmp_path)
        assert {record.serial for record in log.records()} == set(written)
        log.open()
        later = write(log, *[2 * BLOCK] * 12)
        log.close()
        assert read(tmp_path) == later

    def test_an_instance_that_holds_records_of_a_log_is_not_taken_for_them(self, tmp_path: Path) -> None:
        """Any sender may send any bytes: what lies within a payload must not come to life after a crash."""
        with opened(tmp_path / "theirs") as theirs:
            write(theirs, 10, 20, 0, 30)
        forged = (tmp_path / "theirs" / "segment-000").read_bytes()[: 7 * BLOCK]
        with opened(tmp_path / "ours") as ours:
            serial = append(ours, b"{}", forged)
        assert read(tmp_path / "ours") == {serial: (b"{}", forged)}

    def test_no_record_is_whole_by_saying_the_same_twice(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            serial = append(log, b"twice", b"twice")
        path = tmp_path / "segment-000"
        content = path.read_bytes()
        path.write_bytes(content[:16] + bytes(8) + content[24:])  # a checksum of zero
        assert serial not in read(tmp_path)


class TestCheckpoints:
    def test_what_a_checkpoint_covers_does_not_come_back(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            written = write(log, 10, 20, 30)
            log.checkpoint(2)
            assert read(tmp_path) == {3: written[3]}

    def test_a_lower_checkpoint_changes_nothing(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            written = write(log, 10, 20, 30)
            log.checkpoint(2)
            log.checkpoint(1)
        assert read(tmp_path) == {3: written[3]}

    def test_no_checkpoint_may_reach_a_record_that_is_not_settled(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            assert log.reached() == 0
            serials = [append(log, b"{}", b"x") for _ in range(4)]
            assert (serials, log.reached()) == ([1, 2, 3, 4], 0)
            log.settle(2)
            log.settle(3)
            assert log.reached() == 0
            log.settle(1)
            assert log.reached() == 3
            log.settle(4)
            assert log.reached() == 4
            log.settle(4)
            assert log.reached() == 4

    def test_segments_that_are_used_again_give_no_old_records(self, tmp_path: Path) -> None:
        with opened(tmp_path, max_segments=2) as log:
            for _ in range(30):
                written = write(log, 2 * BLOCK, 0, 100)
                assert read(tmp_path).items() >= written.items()
                log.checkpoint(log.reached())
                assert read(tmp_path) == {}
        assert len(list(tmp_path.glob("segment-*"))) == 2

    @settings(max_examples=40, deadline=None)
    @given(
        steps=st.lists(st.one_of(st.integers(0, 5 * BLOCK), st.sampled_from(["checkpoint", "restart"])), max_size=40)
    )
    def test_whatever_happens_what_comes_back_is_what_no_checkpoint_covers(self, steps: list[int | str]) -> None:
        with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
            folder, expected = Path(name), Written()
            log = make_log(folder, max_segments=30)
            log.open()
            for step in steps:
                if step == "checkpoint":
                    covered = log.reached() // 2 + log.reached() % 2
                    log.checkpoint(covered)
                    expected = {serial: record for serial, record in expected.items() if serial > covered}
                elif step == "restart":
                    log.close()
                    log, last = make_log(folder, max_segments=30), max(expected, default=0)
                    assert [record.serial for record in log.records()] == list(expected)
                    log.open()
                    expected = {}
                    assert log.reached() >= last
                else:
                    expected |= write(log, int(step))
                assert read(folder) == expected
            log.close()
