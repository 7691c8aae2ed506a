"""A clock that is stepped by an hour, back and forth, while a series comes: nothing is lost, and it completes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from ingest.admission import StoreStatus
from ingest.tables import conflict, instance
from tests.integration.listening import Station, data_set_of, encoded, make_stack, make_station, own_database
from voorrang.clock import ManualClock
from voorrang.dicom.manifest import instances_digest

pytestmark = pytest.mark.integration

HOUR = 3600.0
LOOK_SECONDS = 0.25
LONG_SECONDS = 150.0  # past the quiet time, the cap and the confirmation of the stroke pathway
SLICES = 24


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    with own_database(tmp_path) as database:
        yield make_station(database, tmp_path / "data", clock)


def let_pass(station: Station, seconds: float) -> None:
    """Let time pass, looking as often as the service does."""
    for _ in range(int(seconds / LOOK_SECONDS)):
        station.clock.advance(LOOK_SECONDS)
        station.assembler.step()


@pytest.mark.parametrize("seed", range(4))
def test_steps_of_an_hour_between_instances_lose_nothing_and_hold_nothing_up(station: Station, seed: int) -> None:
    rng = random.Random(seed)
    slices = make_stack(SLICES)
    for ds in slices:
        assert station.receive(ds) == [StoreStatus.SUCCESS]
        if rng.random() < 0.5:
            station.take_in()
            station.assembler.step()
        station.clock.advance(rng.choice([-HOUR, HOUR, 0.0]) + rng.uniform(0, 1))
    station.take_in()
    let_pass(station, LONG_SECONDS)

    stored = {Path(one).stem: data_set_of(station.runtime.archive.read(one)) for one in station.stored()}
    assert stored == {str(ds.SOPInstanceUID): encoded(ds) for ds in slices}
    assert len(station.rows(select(instance))) == SLICES
    assert station.rows(select(conflict)) == []
    last = max((e.data for e in station.events("series-completed")), key=lambda data: data.series_revision)
    digest = instances_digest(str(ds.SOPInstanceUID) for ds in slices)
    # A step forward may have met the cap: then the last revision is called partial, until it is confirmed.
    assert (last.instances_digest, last.instance_count) == (digest, SLICES)
    confirmed = {e.data.series_revision: e.data.instances_digest for e in station.events("series-confirmed")}
    assert confirmed[last.series_revision] == digest
