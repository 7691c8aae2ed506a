"""An empty file under the name of an instance: a crash came before anybody was answered; it is in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from ingest.admission import StoreStatus
from ingest.tables import conflict, instance
from tests.integration.listening import Station, data_set_of, encoded, make_ct, make_station, own_database
from voorrang.archive.instance_files import InstanceFiles
from voorrang.clock import ManualClock

pytestmark = pytest.mark.integration

ROUNDS = 20
AT_ONCE = 4


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    with own_database(tmp_path) as database:
        yield make_station(database, tmp_path / "data", clock)


def path_of(station: Station, number: int) -> Path:
    """Return where an instance lies, or will."""
    ds = make_ct(number)
    uids = (str(ds.StudyInstanceUID), str(ds.SeriesInstanceUID), str(ds.SOPInstanceUID))
    return Path(station.runtime.archive.instance_path(*uids))


def test_instance_that_is_sent_again_takes_the_place_of_its_empty_file(station: Station) -> None:
    path = path_of(station, 1)
    path.touch()
    assert station.receive(make_ct(1)) == [StoreStatus.SUCCESS]
    station.take_in()
    assert data_set_of(path.read_bytes()) == encoded(make_ct(1))
    assert [row.locator for row in station.rows(select(instance))] == station.stored()
    assert station.rows(select(conflict)) == []


def test_of_those_that_come_at_once_one_takes_the_place_and_no_bytes_are_lost(station: Station) -> None:
    ds = make_ct(1)
    uids = (str(ds.StudyInstanceUID), str(ds.SeriesInstanceUID))
    files = InstanceFiles(station.runtime.archive)
    for number in range(2, 2 + ROUNDS):
        path_of(station, number).touch()
        contents = [f"sender {sender} of {number}".encode() for sender in range(AT_ONCE)]
        name = str(make_ct(number).SOPInstanceUID)
        with ThreadPoolExecutor(AT_ONCE) as senders:
            stored = list(senders.map(partial(files.store, *uids, name), map(memoryview, contents)))
        assert sorted(one.outcome for one in stored) == ["conflict"] * (AT_ONCE - 1) + ["new"]
        assert [station.runtime.archive.read(one.locator) for one in stored] == contents
