"""Rule 7: everything accepted is accounted for. Ingest's own tests hold the rest; here, the gauge and the recount."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, generate_latest
from sqlalchemy import func, insert, select

from ingest.accounting import Accountant
from ingest.admission import Request, StoreStatus
from ingest.recovery import recover
from ingest.tables import instance, series
from ingest.tally import Count
from tests.integration.filling import files_at_most
from tests.integration.listening import (
    CT,
    EXPLICIT_LITTLE,
    Station,
    encoded,
    make_ct,
    make_stack,
    make_station,
    own_database,
)
from tests.integration.worklist_world import NOON, World, uid
from voorrang.archive.instance_files import InstanceFiles
from voorrang.clock import ManualClock
from voorrang.demo.counting import accounted_instances


def test_gauge_of_the_unaccounted_is_shown() -> None:
    lines = generate_latest().decode().splitlines()

    assert any(line.startswith("voorrang_unaccounted_instances ") for line in lines)


@pytest.fixture
def stored(world: World) -> list[Path]:
    """Three instances of one study: a row and a file each."""
    paths = []
    files = InstanceFiles(world.runtime.archive)
    with world.database.write() as connection:
        values = {
            "series_instance_uid": uid(1, 1),
            "study_instance_uid": uid(1),
            "modality": "CT",
            "first_received_at": NOON,
            "last_received_at": NOON,
            "revision": 1,
            "instances_digest": "",
        }
        connection.execute(insert(series).values(values))
        for n in range(3):
            name = f"{uid(1, 1)}.{n}"
            kept = files.store(uid(1), uid(1, 1), name, memoryview(b"not read here"))
            row = {
                "sop_instance_uid": name,
                "series_instance_uid": uid(1, 1),
                "locator": kept.locator,
                "size_bytes": kept.size_bytes,
                "received_at": NOON,
                "header": {},
            }
            connection.execute(insert(instance).values(row))
            paths.append(world.runtime.archive.path(kept.locator))
    return paths


def test_recount_finds_what_has_a_row_and_a_file(world: World, stored: list[Path]) -> None:
    assert accounted_instances(world.runtime.settings, [uid(1)]) == 3
    assert accounted_instances(world.runtime.settings, [uid(2)]) == 0


def test_recount_misses_a_file_that_is_gone_or_empty(world: World, stored: list[Path]) -> None:
    stored[0].unlink()
    stored[1].chmod(0o600)
    stored[1].write_bytes(b"")

    assert accounted_instances(world.runtime.settings, [uid(1)]) == 1


def test_recount_misses_a_row_that_is_gone(world: World, stored: list[Path]) -> None:
    with world.database.write() as connection:
        connection.execute(instance.delete().where(instance.c.sop_instance_uid == f"{uid(1, 1)}.0"))

    assert accounted_instances(world.runtime.settings, [uid(1)]) == 2


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    """Ingest that has received and taken in three instances, and was looked at twice since: nothing is under way."""
    with own_database(tmp_path) as database:
        made = make_station(database, tmp_path / "data", clock)
        made.receive(*make_stack(3))
        made.take_in()
        for _ in range(2):
            made.account()
            assert unaccounted() == 0
        yield made


def unaccounted() -> float | None:
    return REGISTRY.get_sample_value("voorrang_unaccounted_instances")


def delete_row(station: Station, number: int) -> None:
    with station.runtime.database.write() as connection:
        mine = instance.c.sop_instance_uid == str(make_ct(number).SOPInstanceUID)
        assert connection.execute(instance.delete().where(mine)).rowcount == 1


def ledger_segments(station: Station) -> list[Path]:
    return sorted((station.runtime.archive.root / "ledger").glob("*/*"))


def drop_from_ledger(station: Station, number: int) -> None:
    """Take the entry of an instance out of the ledger, as if it had never been written."""
    uid_of_it = f'"{make_ct(number).SOPInstanceUID}"'.encode()
    for path in ledger_segments(station):
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(line for line in lines if uid_of_it not in line))


@pytest.mark.parametrize("counted", [Count.NEW, Count.CONFLICT])
def test_success_without_an_entry_in_the_ledger_shows(station: Station, counted: Count) -> None:
    station.receiver.tally.add(counted)
    station.account()

    assert unaccounted() == 1


def test_entry_that_vanished_before_it_was_taken_in_shows(station: Station) -> None:
    station.receive(make_ct(4), make_ct(5))
    drop_from_ledger(station, 4)
    station.take_in()
    station.account()

    assert unaccounted() == 1


def test_row_that_vanished_shows(station: Station) -> None:
    station.receive(make_ct(4), make_ct(5))
    station.take_in()
    delete_row(station, 5)
    station.account()

    assert unaccounted() == 1


def test_what_is_missing_on_either_side_does_not_make_up_for_the_other(station: Station) -> None:
    station.receive(make_ct(4), make_ct(5))
    station.take_in()
    delete_row(station, 4)
    station.receiver.tally.add(Count.NEW)
    station.account()

    assert unaccounted() == 2


def test_duplicates_and_refusals_make_up_for_nothing(station: Station) -> None:
    station.receiver.tally.add(Count.NEW)
    station.receive(*make_stack(3))
    other = Request(CT, "1.2.3", "SCANNER", "VOORRANG")
    status = station.receiver.receive(other, EXPLICIT_LITTLE, encoded(make_ct(9)))
    assert status == StoreStatus.DATA_SET_DOES_NOT_MATCH
    station.take_in()
    station.account()

    assert unaccounted() == 1


def test_conflicts_count_as_accepted(station: Station) -> None:
    station.receive(make_ct(1, Rows=5), make_ct(2, Rows=5), make_ct(1, Rows=5))
    station.account()
    assert unaccounted() == 0
    station.take_in()
    station.account()

    assert unaccounted() == 0


def test_what_waits_for_its_row_is_waiting_and_not_lost(station: Station) -> None:
    before = REGISTRY.get_sample_value("voorrang_waiting_instances") or 0.0
    station.receive(make_ct(4), make_ct(5))
    station.account()

    assert unaccounted() == 0
    assert REGISTRY.get_sample_value("voorrang_waiting_instances") == before + 2


def test_damaged_entry_shows_until_its_instance_was_found_on_disk(station: Station) -> None:
    station.receive(make_ct(4), make_ct(5))
    (segment,) = ledger_segments(station)
    *before, damaged, last = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(before) + b"\0" * (len(damaged) - 1) + b"\n" + last)
    station.take_in()
    station.account()
    assert unaccounted() == 1

    assert recover(station.runtime, station.intake) == 1
    station.accountant.begin_anew()  # as the service does when something was recovered
    station.account()
    assert unaccounted() == 0
    assert station.rows(select(func.count()).select_from(instance))[0][0] == 5


def test_listener_that_starts_is_counted_anew(station: Station) -> None:
    station.receiver.tally.add(Count.NEW)
    station.account()
    assert unaccounted() == 1

    station.receiver.tally.begin()  # what it recovered was written down once more, and answered to nobody
    for _ in range(2):
        station.account()
        assert unaccounted() == 0
    station.receiver.tally.add(Count.NEW)
    station.account()
    assert unaccounted() == 1


def test_assembler_that_starts_is_counted_anew_and_sees_what_is_lost_from_then_on(station: Station) -> None:
    station.receive(make_ct(4))
    again = Accountant(station.runtime, station.intake, station.runtime.archive.root)
    for _ in range(2):
        again.step()
        assert unaccounted() == 0
    station.receive(make_ct(5))
    drop_from_ledger(station, 5)
    again.step()
    assert unaccounted() == 1


def entry_of(station: Station, number: int) -> bytes:
    """Receive an instance, take its entry out of the ledger again, and return it as the listener encodes it."""
    station.receive(make_ct(number))
    mine = str(make_ct(number).SOPInstanceUID).encode()
    lines = [line for path in ledger_segments(station) for line in path.read_bytes().splitlines() if mine in line]
    drop_from_ledger(station, number)
    return lines[0].replace(b',"counts":true', b"")


def test_what_a_listener_recovers_hides_no_later_loss(station: Station) -> None:
    """Entries that a crash brought back get rows without having been counted: those rows stand for nobody else."""
    entry = entry_of(station, 4)
    station.receiver.tally.begin()
    station.account()
    station.journal.ledger.append(entry, counts=False)  # as `Journal.recover` does
    station.take_in()
    for _ in range(2):
        station.account()
        assert unaccounted() == 0

    station.receive(make_ct(5))
    station.take_in()
    delete_row(station, 5)
    station.account()
    assert unaccounted() == 1


def test_what_was_refused_on_disk_and_came_again_hides_no_later_loss(station: Station) -> None:
    """A full disk refuses when the file has its name already: sent again, it is a duplicate without a row."""
    with files_at_most(ledger_segments(station)[-1].stat().st_size):
        assert station.receive(make_ct(4)) == [StoreStatus.OUT_OF_RESOURCES]
    assert station.receive(make_ct(4)) == [StoreStatus.SUCCESS]
    station.take_in()
    for _ in range(2):
        station.account()
        assert unaccounted() == 0

    station.receive(make_ct(5))
    drop_from_ledger(station, 5)
    station.receive(make_ct(6))
    station.take_in()
    delete_row(station, 6)
    station.account()
    assert unaccounted() == 2


def test_batch_that_is_taken_in_one_by_one_is_not_missing_afterwards(station: Station) -> None:
    """Its rows come a moment before its entries count: whoever counts in between sees too many rows."""
    station.receive(make_ct(4))
    (received,) = station.received()
    station.intake.take([received])
    station.account()
    assert unaccounted() == 0
    station.take_in()
    for _ in range(2):
        station.account()
        assert unaccounted() == 0


def test_look_between_an_entry_and_its_count_raises_no_alarm(station: Station) -> None:
    """The listener writes the entry first and counts then; the accountant may look in between."""
    entry = entry_of(station, 4)
    station.receiver.tally.add(Count.NEW, -1)
    station.journal.ledger.append(entry, counts=True)
    starting = Accountant(station.runtime, station.intake, station.runtime.archive.root)
    for accountant in (starting, station.accountant):
        accountant.step()
    station.receiver.tally.add(Count.NEW)
    for accountant in (starting, starting, station.accountant, station.accountant):
        accountant.step()
        assert unaccounted() == 0
