"""A file that the disk does not give is named in the log; nothing else waits for it for long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from ingest import patient_reading
from ingest.tables import instance
from tests.integration.listening import STUDY, Station, make_ct, make_station, own_database
from tests.integration.permissions import not_given
from voorrang.clock import ManualClock
from voorrang.errors import RetryableError
from voorrang.identity import look_up

pytestmark = pytest.mark.integration


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    with own_database(tmp_path) as database:
        made = make_station(database, tmp_path / "data", clock)
        made.runtime.stop.set()  # it waits for no disk
        yield made


def hashes(station: Station) -> dict[str, str]:
    """Return the hash of each instance, by its locator."""
    return {row.locator: row.content_sha256 for row in station.rows(select(instance))}


def first_file(station: Station) -> Path:
    return station.runtime.archive.path(station.stored()[0])


def test_whose_it_is_is_asked_again_before_it_gets_its_row(station: Station) -> None:
    station.receive(make_ct(1))
    with not_given(first_file(station)), pytest.raises(RetryableError):
        station.take_in()
    assert hashes(station) == {}
    station.take_in()
    assert list(hashes(station)) == station.stored()
    with station.runtime.database.read() as connection:
        assert STUDY in look_up(connection, [STUDY])


def test_it_gets_its_row_when_it_was_waited_for_long_enough(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient_reading, "PATIENCE_SECONDS", 0.0)
    station.receive(make_ct(1))
    with not_given(first_file(station)):
        station.take_in()
    assert list(hashes(station)) == station.stored()
