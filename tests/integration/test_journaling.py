"""
A crash of the machine: of what was not synced nothing may be left, or half of it, or all; the log brings it back.

Two ways lead there: files are deleted and torn where they lie, or the machine goes on with a copy of what had been
synced when it went down, beside the write-ahead log, whose writes are durable when they return.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from ingest.admission import StoreStatus
from ingest.ledger import Position, read_entries
from ingest.recovery import recover
from ingest.tables import conflict
from ingest.tally import Count
from tests.integration.crashing import MAX_SEGMENTS, SEGMENT, Machine, SyncedLedger
from tests.integration.filling import files_at_most
from tests.integration.listening import Station, make_ct, make_stack, make_station, own_database
from voorrang.archive import ArchiveFullError
from voorrang.archive.write_ahead_log import BLOCK
from voorrang.clock import ManualClock

pytestmark = pytest.mark.integration

BIG_SEGMENT = 8 << 20


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    with own_database(tmp_path) as database:
        yield make_station(database, tmp_path / "data", clock)


@pytest.fixture
def machine(station: Station, tmp_path: Path) -> Machine:
    return Machine(station, tmp_path / "synced", SEGMENT)


@pytest.fixture
def big_machine(station: Station, tmp_path: Path) -> Machine:
    """One whose log takes instances of some megabytes."""
    return Machine(station, tmp_path / "synced", BIG_SEGMENT)


class TestWhatIsLeftOfFiles:
    def test_every_file_and_entry_comes_back_where_nothing_was_left(self, machine: Machine) -> None:
        instances = make_stack(30)
        machine.receive(*instances)
        assert len(list(machine.write_ahead.glob("segment-*"))) > 1
        machine.receiver.journal.close()
        shutil.rmtree(machine.archive.root / "studies")
        for path in machine.ledger.iterdir():
            path.write_bytes(b"")

        assert machine.start() == 30
        machine.holds(*instances)
        machine.has_rows(*instances)

    @pytest.mark.parametrize("seed", range(4))
    def test_torn_files_are_whole_again(self, machine: Machine, seed: int) -> None:
        chance = random.Random(seed)
        instances = make_stack(30)
        machine.receive(*instances)
        machine.receiver.journal.close()
        for path in sorted((machine.archive.root / "studies").rglob("*.dcm")):
            size = path.stat().st_size
            how = chance.choice(["whole", "half", "zeros", "empty", "gone"])
            if how == "half":
                path.write_bytes(path.read_bytes()[: chance.randrange(size)])
            elif how in ("zeros", "empty"):
                path.write_bytes(bytes(size if how == "zeros" else 0))
            elif how == "gone":
                path.unlink()
        for path in machine.ledger.iterdir():
            content = path.read_bytes()
            path.write_bytes(content[: chance.randrange(len(content) + 1)])

        machine.start()
        machine.holds(*instances)
        machine.has_rows(*instances)
        assert list(machine.archive.incoming.iterdir()) == []

    def test_a_ledger_that_was_taken_in_further_than_the_disk_has_it_gives_no_row_twice(self, machine: Machine) -> None:
        instances = make_stack(20)
        machine.receive(*instances[:10])
        machine.station.take_in()
        machine.receive(*instances[10:])
        machine.receiver.journal.close()
        for path in machine.ledger.iterdir():
            path.write_bytes(b"")

        machine.start()
        machine.has_rows(*instances)

    def test_a_process_that_was_killed_alone_loses_and_doubles_nothing(self, machine: Machine) -> None:
        instances = make_stack(10)
        machine.receive(*instances)
        machine.station.take_in()
        machine.receiver.journal.close()

        machine.start()
        machine.holds(*instances)
        machine.has_rows(*instances)

    def test_it_is_recovered_once(self, machine: Machine) -> None:
        machine.receive(*make_stack(5))
        machine.receiver.journal.close()
        assert machine.start() == 5
        machine.receiver.journal.close()
        assert machine.start() == 0

    def test_a_crash_while_it_recovers_loses_nothing(self, machine: Machine) -> None:
        instances = make_stack(20)
        machine.receive(*instances)
        machine.receiver.journal.close()
        shutil.rmtree(machine.archive.root / "studies")
        (machine.archive.root / "studies").write_bytes(b"a file where a folder should be")
        with pytest.raises(ArchiveFullError):
            machine.start()
        (machine.archive.root / "studies").unlink()

        assert machine.start() == 20
        machine.holds(*instances)
        machine.has_rows(*instances)

    def test_a_disk_that_is_full_is_said_and_recovered_from_later(self, big_machine: Machine) -> None:
        large = make_ct(PixelData=bytes(3_000_000))
        big_machine.receive(large)
        big_machine.receiver.journal.close()
        shutil.rmtree(big_machine.archive.root / "studies")
        with files_at_most(1_000_000), pytest.raises(ArchiveFullError):
            big_machine.start()
        assert list(big_machine.archive.incoming.iterdir()) == []

        big_machine.start()
        big_machine.holds(large)


class TestCheckpoints:
    def test_only_what_came_after_it_is_restored(self, machine: Machine) -> None:
        instances = make_stack(20)
        machine.receive(*instances[:12])
        machine.checkpoint()
        machine.receive(*instances[12:])
        machine.receiver.journal.close()

        assert machine.start() == 8

    def test_what_retention_removed_after_it_stays_away(self, machine: Machine) -> None:
        instances = make_stack(10)
        machine.receive(*instances[:5])
        machine.checkpoint()
        for locator in machine.station.stored():
            machine.archive.remove(locator)
        machine.receive(*instances[5:])
        machine.receiver.journal.close()

        assert machine.start() == 5
        machine.holds(*instances[5:])

    def test_nothing_to_do_changes_nothing(self, machine: Machine) -> None:
        machine.receiver.journal.checkpoint()
        machine.receive(*make_stack(2))
        machine.receiver.journal.checkpoint()
        before = (machine.write_ahead / "checkpoint.json").stat().st_mtime_ns
        machine.receiver.journal.checkpoint()
        assert (machine.write_ahead / "checkpoint.json").stat().st_mtime_ns == before

    def test_the_room_of_the_log_is_used_again(self, machine: Machine) -> None:
        for first in range(1, 301, 30):
            machine.receive(*make_stack(30, first))
            machine.checkpoint()
        assert len(list(machine.write_ahead.glob("segment-*"))) <= MAX_SEGMENTS
        machine.power_off()
        assert machine.start() == 0
        machine.has_rows(*make_stack(300))

    def test_one_between_log_and_ledger_is_not_covered(self, machine: Machine) -> None:
        """It is in the log, but the ledger that was synced does not speak of it yet."""
        machine.receive(make_ct(1))
        ledger = machine.receiver.journal.ledger
        assert isinstance(ledger, SyncedLedger)
        ledger.before_append = machine.checkpoint
        machine.receive(make_ct(2))
        machine.power_off()
        assert machine.start() == 1
        machine.has_rows(*make_stack(2))


class TestPowerOff:
    @pytest.mark.parametrize("seed", range(6))
    def test_whenever_it_happens_all_that_was_answered_is_there_and_has_its_row(
        self, machine: Machine, seed: int
    ) -> None:
        chance = random.Random(seed)
        number = 0
        for _ in range(3):
            for _ in range(chance.randrange(25)):
                act = chance.choice(["new", "new", "new", "again", "checkpoint", "take in"])
                if act == "new":
                    number += 1
                    machine.receive(make_ct(number))
                elif act == "again" and machine.answered:
                    machine.receive(chance.choice(machine.answered))
                elif act == "checkpoint":
                    machine.checkpoint()
                else:
                    machine.station.take_in()
            machine.power_off()
            machine.start()
            machine.holds(*make_stack(number))
        machine.has_rows(*make_stack(number))

    @pytest.mark.parametrize("size", [10, 150_000, 1_200_000, 3_900_000, 5_000_000])
    def test_of_whatever_size(self, big_machine: Machine, size: int) -> None:
        chance = random.Random(size)
        instances = [make_ct(n, PixelData=chance.randbytes(size)) for n in (1, 2)]
        big_machine.receive(*instances)
        big_machine.power_off()
        big_machine.start()
        big_machine.holds(*instances)
        big_machine.has_rows(*instances)

    def test_a_duplicate_is_answered_only_when_the_first_is_durable(self, machine: Machine) -> None:
        """Whoever sent it first may still wait, or be on another process with a log that is lost: it stands alone."""
        machine.receive(make_ct(1))
        assert not list(machine.synced.rglob("*.dcm"))
        machine.receive(make_ct(1))
        assert len(list(machine.synced.rglob("*.dcm"))) == 1
        shutil.rmtree(machine.write_ahead)
        machine.power_off()
        machine.start()
        machine.holds(make_ct(1))

    def test_a_duplicate_of_one_that_was_refused_gets_its_row(self, machine: Machine) -> None:
        with refusing_ledger(machine):
            assert machine.station.receive(make_ct(1)) == [StoreStatus.OUT_OF_RESOURCES]
        machine.receive(make_ct(1))
        machine.power_off()
        machine.start()
        machine.holds(make_ct(1))
        machine.has_rows(make_ct(1))

    def test_conflicts_come_back_beside_the_first(self, machine: Machine) -> None:
        first, other = make_ct(1), make_ct(1, Rows=5)
        machine.receive(first, other)
        machine.power_off()
        machine.start()
        machine.holds(first, other)
        machine.has_rows(first)
        assert len(machine.station.rows(select(conflict))) == 1

    def test_many_senders_at_once(self, machine: Machine) -> None:
        instances = make_stack(60)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda n: machine.station.receive(*instances[n::4]), range(4)))
        assert {status for some in answers for status in some} == {StoreStatus.SUCCESS}
        machine.power_off()
        assert machine.start() == 60
        machine.holds(*instances)
        machine.has_rows(*instances)

    def test_what_was_refused_does_not_come_back(self, machine: Machine) -> None:
        machine.receive(make_ct(1))
        machine.archive.reserve_bytes = 10**18
        assert machine.station.receive(make_ct(2)) == [StoreStatus.OUT_OF_RESOURCES]
        machine.power_off()
        machine.start()
        machine.holds(make_ct(1))

    def test_where_the_log_is_lost_too_what_is_on_disk_gets_its_row(self, machine: Machine) -> None:
        machine.receive(*make_stack(4))
        machine.checkpoint()
        machine.power_off()
        shutil.rmtree(machine.write_ahead)
        shutil.rmtree(machine.ledger)
        machine.start()
        machine.station.take_in()
        assert recover(machine.station.runtime, machine.station.intake) == 4
        machine.has_rows(*make_stack(4))


class TestNotDurable:
    def test_nothing_is_durable_and_nothing_is_said_to_be(self, station: Station) -> None:
        assert station.receive(*make_stack(3)) == [StoreStatus.SUCCESS] * 3
        station.journal.checkpoint()
        assert not (station.runtime.archive.root / "write-ahead").exists()
        assert len(station.received()) == 3


class TestFullness:
    def test_a_full_log_refuses_and_goes_on_after_a_checkpoint(self, station: Station, tmp_path: Path) -> None:
        machine = Machine(station, tmp_path / "synced", SEGMENT)
        log = machine.receiver.journal.log
        assert log is not None
        log.patience_seconds = 0.01
        number = 0
        while (status := station.receive(make_ct(number + 1))[0]) == StoreStatus.SUCCESS:
            number += 1
        assert status == StoreStatus.OUT_OF_RESOURCES
        assert number > MAX_SEGMENTS
        machine.checkpoint()
        machine.receive(make_ct(number + 1))
        machine.power_off()
        machine.start()
        machine.holds(*make_stack(number + 1))
        machine.has_rows(*make_stack(number + 1))

    def test_a_ledger_that_nobody_reads_is_full_and_one_that_is_read_is_not(self, station: Station) -> None:
        journal = station.receiver.journal
        journal.ledger.segment_bytes = 1
        number = 0
        while number < 40:
            journal.look_again()
            if not journal.has_room():
                break
            number += 1
            assert station.receive(make_ct(number)) == [StoreStatus.SUCCESS]
        assert number == journal.max_ledger_segments
        assert station.receive(make_ct(99)) == [StoreStatus.OUT_OF_RESOURCES]
        assert station.refused()[-1].reason == "intake_full"
        station.take_in()
        journal.look_again()
        assert station.receive(make_ct(99)) == [StoreStatus.SUCCESS]

    @pytest.mark.parametrize("refuses", ["log", "ledger"])
    def test_what_could_not_be_written_down_is_refused_and_holds_up_no_checkpoint(
        self, machine: Machine, refuses: str
    ) -> None:
        machine.receive(make_ct(1))
        log = machine.receiver.journal.log
        assert log is not None
        with refusing_ledger(machine) if refuses == "ledger" else files_at_most(2 * BLOCK):
            assert machine.station.receive(make_ct(2)) == [StoreStatus.OUT_OF_RESOURCES]
        assert machine.receiver.tally.read(Count.NEW) == 1
        machine.receive(make_ct(3))
        assert log.reached() == 3
        entries, _ = read_entries(machine.ledger, Position(), 100)
        assert [entry["outcome"] for entry in entries if entry["kind"] == "instance"] == ["new", "new"]


@contextmanager
def refusing_ledger(machine: Machine) -> Iterator[None]:
    """Let the ledger want a segment more, and the disk refuse it."""
    ledger, away = machine.receiver.journal.ledger, machine.ledger.with_name("away")
    ledger.segment_bytes, whole = 0, ledger.segment_bytes
    machine.ledger.rename(away)
    yield
    away.rename(machine.ledger)
    ledger.segment_bytes = whole
