from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event as Flag

import pytest

from tests.integration.filling import files_at_most
from tests.integration.write_ahead import SEGMENT, Written, append, make_log, opened, read, write
from voorrang.archive.durable import ArchiveFullError
from voorrang.archive.write_ahead_log import BLOCK, HEAD_BYTES, WriteAheadLog

pytestmark = pytest.mark.integration


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

    def test_a_disk_that_refuses_a_segment_says_so_and_is_asked_again(self, tmp_path: Path) -> None:
        log = make_log(tmp_path, max_segments=2)
        with files_at_most(SEGMENT // 2), pytest.raises(ArchiveFullError, match="disk refused"):
            log.open()
        assert list(tmp_path.glob("segment-*")) == []
        log = make_log(tmp_path, max_segments=2)
        log.open()
        assert write(log, 10) == read(tmp_path)
        log.close()

    def test_a_log_that_grows_gives_room_to_whoever_waits(self, tmp_path: Path) -> None:
        with opened(tmp_path, max_segments=2) as log, ThreadPoolExecutor(1) as pool:
            self.full(log)
            log.pressed.clear()
            waits = pool.submit(append, log, b"last", bytes(self.EACH))
            assert log.pressed.wait(30)
            log.max_segments = 3
            assert log.grow()
            assert waits.result(30) == 9
            assert not log.grow()
        assert list(read(tmp_path)) == list(range(1, 10))

    def test_a_segment_that_somebody_took_away_is_made_again_and_no_other_is_written_twice(
        self, tmp_path: Path
    ) -> None:
        with opened(tmp_path, max_segments=3) as log:
            write(log, 10)
        (tmp_path / "segment-001").unlink()
        with opened(tmp_path, max_segments=3) as log:
            written = write(log, *[self.EACH] * 12)
        assert read(tmp_path) == written

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
