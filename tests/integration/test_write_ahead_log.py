from __future__ import annotations

import mmap
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event as Flag

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.filling import files_at_most
from voorrang.archive.durable import ArchiveFullError
from voorrang.archive.write_ahead_log import BLOCK, HEAD_BYTES, WriteAheadLog

pytestmark = pytest.mark.integration

SEGMENT = 16 * BLOCK
MEMORY = Path("/dev/shm")
EXAMPLES = settings(max_examples=120, deadline=None)
Written = dict[int, tuple[bytes, bytes]]


def make_log(folder: Path, max_segments: int = 4, segment_bytes: int = SEGMENT) -> WriteAheadLog:
    return WriteAheadLog(folder, segment_bytes, max_segments)


@contextmanager
def opened(folder: Path, max_segments: int = 4) -> Iterator[WriteAheadLog]:
    """Open a log that begins, without what lies in it."""
    log = make_log(folder, max_segments)
    log.open()
    try:
        yield log
    finally:
        log.close()


def append(log: WriteAheadLog, meta: bytes = b"{}", payload: bytes = b"") -> int:
    """Write a record with memory of its own, full of what was in it before."""
    head, buffer = mmap.mmap(-1, HEAD_BYTES), mmap.mmap(-1, len(payload) // BLOCK * BLOCK + 2 * BLOCK)
    buffer.write(b"\xee" * len(buffer))
    buffer[: len(payload)] = payload
    return log.append(meta, head, buffer if payload else None, len(payload))


def write(log: WriteAheadLog, *sizes: int) -> Written:
    """Write records with payloads of these sizes, all settled."""
    written = {}
    for size in sizes:
        meta, payload = f'{{"size":{size}}}'.encode(), bytes([size % 251]) * size
        serial = append(log, meta, payload)
        log.settle(serial)
        written[serial] = (meta, payload)
    return written


def read(folder: Path) -> Written:
    """Read a log as the next process would, and hold that its records come in order."""
    found = list(make_log(folder).records())
    assert [record.serial for record in found] == sorted({record.serial for record in found})
    return {record.serial: (record.meta, bytes(record.payload)) for record in found}


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


class TestFullness:
    EACH = 3 * BLOCK  # with a block of its own for what is said: four records a segment

    def full(self, log: WriteAheadLog) -> None:
        """Fill two segments to their end, with records that nobody has settled."""
        for _ in range(8):
            append(log, b"{}", bytes(self.EACH))

    def test_a_full_log_waits_for_a_checkpoint_and_goes_on(self, tmp_path: Path) -> None:
        with opened(tmp_path, max_segments=2) as log, ThreadPoolExecutor(1) as pool:
            self.full(log)
            log.pressed.clear()
            waits = pool.submit(append, log, b"last", bytes(self.EACH))
            assert log.pressed.wait(30)
            for serial in range(1, 4):
                log.settle(serial)
            log.checkpoint(log.reached())  # three of the four of the first segment: no room yet
            assert not waits.done()
            log.settle(4)
            log.checkpoint(log.reached())
            assert waits.result(30) == 9
        found = read(tmp_path)
        assert list(found) == [5, 6, 7, 8, 9]
        assert found[9] == (b"last", bytes(self.EACH))

    def test_several_wait_and_all_go_on(self, tmp_path: Path) -> None:
        with opened(tmp_path, max_segments=2) as log, ThreadPoolExecutor(3) as pool:
            self.full(log)
            log.pressed.clear()
            waiting = [pool.submit(append, log, b"{}", bytes(self.EACH)) for _ in range(3)]
            assert log.pressed.wait(30)
            for serial in range(1, 9):
                log.settle(serial)
            log.checkpoint(8)
            assert sorted(one.result(30) for one in waiting) == [9, 10, 11]

    def test_a_log_that_stays_full_refuses_and_loses_nothing(self, tmp_path: Path) -> None:
        log = WriteAheadLog(tmp_path, SEGMENT, 2, patience_seconds=0.01)
        log.open()
        self.full(log)
        for _ in range(3):
            with pytest.raises(ArchiveFullError, match="not synced yet"):
                append(log, b"{}", bytes(self.EACH))
        assert list(read(tmp_path)) == list(range(1, 9))
        for serial in range(1, 9):
            log.settle(serial)
        log.checkpoint(log.reached())
        assert append(log, b"{}", bytes(self.EACH)) == 9
        log.close()

    @pytest.mark.parametrize(("meta", "payload"), [(HEAD_BYTES, 1), (1, SEGMENT), (1, SEGMENT - BLOCK + 1)])
    def test_what_fits_no_record_is_refused_and_what_comes_behind_is_not(
        self, tmp_path: Path, meta: int, payload: int
    ) -> None:
        with opened(tmp_path) as log:
            with pytest.raises(ArchiveFullError, match="too long"):
                append(log, b"m" * meta, bytes(payload))
            assert log.reached() == 0
            written = write(log, SEGMENT - BLOCK)
        assert read(tmp_path) == written

    def test_a_disk_that_refuses_a_segment_is_full_until_there_is_room(self, tmp_path: Path) -> None:
        with opened(tmp_path) as log:
            with files_at_most(SEGMENT // 2), pytest.raises(ArchiveFullError, match="disk refused"):
                append(log, b"{}", b"x")
            assert list(tmp_path.glob("segment-*")) == []
            assert write(log, 10) == read(tmp_path)

    @pytest.mark.parametrize("room", [BLOCK, 2 * BLOCK])
    def test_a_record_that_the_disk_refuses_is_none_and_does_not_hold_up_checkpoints(
        self, tmp_path: Path, room: int
    ) -> None:
        with opened(tmp_path) as log:
            first = write(log, 0)
            with files_at_most(room), pytest.raises(ArchiveFullError, match="disk refused"):
                append(log, b"{}", b"x" * 5 * BLOCK)
            assert log.reached() == 2
            later = write(log, 10)
            assert list(later) == [3]
            assert read(tmp_path) == first | later

    def test_a_closed_log_says_so(self, tmp_path: Path) -> None:
        log = WriteAheadLog(tmp_path, SEGMENT, 0, patience_seconds=0.0)
        log.open()
        with pytest.raises(ArchiveFullError):
            append(log)


class TestThreads:
    def test_several_at_once_get_numbers_and_places_of_their_own(self, tmp_path: Path) -> None:
        start = Flag()

        def many(number: int) -> Written:
            start.wait(30)
            written = {}
            for n in range(25):
                meta, payload = b"%d %d" % (number, n), bytes([number]) * (n * 300)
                serial = append(log, meta, payload)
                log.settle(serial)
                written[serial] = (meta, payload)
            return written

        with opened(tmp_path, max_segments=40) as log, ThreadPoolExecutor(4) as pool:
            running = [pool.submit(many, number) for number in range(1, 5)]
            start.set()
            written = {serial: record for one in running for serial, record in one.result(60).items()}
            assert log.reached() == len(written) == 100
        assert read(tmp_path) == dict(sorted(written.items()))

    def test_they_share_what_a_checkpointer_frees_meanwhile(self, tmp_path: Path) -> None:
        stop = Flag()

        def many(number: int) -> int:
            for n in range(40):
                log.settle(append(log, b"%d" % number, bytes(n * 300)))
            return number

        def checkpointing() -> None:
            while not stop.is_set():
                log.pressed.wait(0.01)
                log.pressed.clear()
                log.checkpoint(log.reached())

        with opened(tmp_path, max_segments=2) as log, ThreadPoolExecutor(4) as pool:
            checkpoints = pool.submit(checkpointing)
            assert sorted(pool.map(many, range(3), timeout=120)) == [0, 1, 2]
            stop.set()
            checkpoints.result(30)
            assert log.reached() == 120
            assert len(list(tmp_path.glob("segment-*"))) == 2
