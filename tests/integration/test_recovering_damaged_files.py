"""A file that the disk has damaged gets no row when strays are looked for, and nothing else waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from ingest.recovery import recover
from ingest.tables import conflict, instance, study
from tests.integration.listening import STUDY, Station, make_ct, make_stack, make_station, own_database
from voorrang.archive.archive import CONFLICT
from voorrang.clock import ManualClock

pytestmark = pytest.mark.integration

SERIES = f"{STUDY}.1"


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    with own_database(tmp_path) as database:
        yield make_station(database, tmp_path / "data", clock)


def cut_off_before_its_uids(whole: bytes) -> bytes:
    return whole[: whole.index(b"\x20\x00\x0d\x00")]  # (0020,000D) Study Instance UID


def blank_from_what_it_was_received_for_on(whole: bytes) -> bytes:
    at = whole.index(b"\x02\x00\x00\x01UI") + 5  # within the VR of (0002,0100) Private Information Creator UID
    return whole[:at] + bytes(len(whole) - at)


def of_another_place(whole: bytes) -> bytes:
    return whole.replace(f"{SERIES}.2".encode(), f"{SERIES}.9".encode())


@pytest.mark.parametrize("damage", [cut_off_before_its_uids, blank_from_what_it_was_received_for_on, of_another_place])
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "conflict"])
def test_a_damaged_file_gets_no_row_and_stops_nothing(
    station: Station, damage: Callable[[bytes], bytes], beside: bool
) -> None:
    station.receive(*make_stack(3))
    if beside:
        station.receive(make_ct(2, PatientName="Other^Bytes"))
    for segment in (station.intake.folder / "0").iterdir():
        segment.unlink()  # nobody was told of any
    [locator] = [one for one in station.stored() if f"{SERIES}.2" in one and (CONFLICT in one) is beside]
    path = station.runtime.archive.path(locator)
    path.write_bytes(damage(path.read_bytes()))
    whole = 3 if beside else 2
    assert recover(station.runtime, station.intake) == whole
    rows = [*station.rows(select(instance.c.locator)), *station.rows(select(conflict.c.locator))]
    assert {row.locator for row in rows} == set(station.stored()) - {locator}
    assert [row.study_instance_uid for row in station.rows(select(study))] == [STUDY]
