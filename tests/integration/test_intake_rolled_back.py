"""A transaction of intake that is rolled back: what it had written is written again, the identities too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from ingest.tables import instance, refusal
from tests.integration.listening import STUDY, Station, make_ct, make_station, own_database
from voorrang.clock import ManualClock
from voorrang.database import Database
from voorrang.errors import RetryableError
from voorrang.identity import look_up

pytestmark = pytest.mark.integration

OTHER = f"{STUDY}.7"
TOO_LARGE = 2**70  # for any column


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with own_database(tmp_path) as opened:
        yield opened


@pytest.fixture
def station(database: Database, tmp_path: Path, clock: ManualClock) -> Station:
    return make_station(database, tmp_path / "data", clock)


def known(station: Station) -> set[str]:
    """Return the studies whose identity is known."""
    with station.runtime.database.read() as connection:
        return set(look_up(connection, [STUDY, OTHER]))


def test_instance_that_fits_no_row_takes_nobodys_identity_away(station: Station) -> None:
    station.receive(make_ct(1), make_ct(1, StudyInstanceUID=OTHER, SeriesInstanceUID=f"{OTHER}.1"))
    good, bad = station.received()
    station.intake.take([good, replace(bad, size_bytes=TOO_LARGE)])
    assert [row.sop_instance_uid for row in station.rows(select(instance))] == [good.sop_instance_uid]
    assert [row.locator for row in station.rows(select(refusal))] == [bad.locator]
    assert known(station) == {STUDY}


def test_commit_that_fails_takes_no_identity_away(station: Station) -> None:
    station.receive(make_ct(1))
    failing = [OperationalError("COMMIT", {}, Exception("the disk is full"))]

    def fail_once(_: object) -> None:
        """Fail as a database does that cannot commit now."""
        if failing:
            raise failing.pop()

    event.listen(station.runtime.database.engine, "commit", fail_once)
    with pytest.raises(RetryableError):
        station.take_in()
    assert known(station) == set()
    station.take_in()
    assert len(station.rows(select(instance))) == 1
    assert known(station) == {STUDY}
