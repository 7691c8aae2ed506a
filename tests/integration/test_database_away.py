"""A database that is away for a while only delays what gives hashes and rows: ingest does not end by it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from ingest import hashing, service
from ingest.hashing import Hasher
from ingest.tables import instance
from tests.integration.listening import Station, make_stack, make_station, own_database
from tests.neighbours.starting import wait_until
from voorrang import database as databases
from voorrang.clock import ManualClock

pytestmark = pytest.mark.integration

WITHIN_SECONDS = 30.0


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    monkeypatch.setattr(databases, "BUSY_TIMEOUT_MS", 20)
    with own_database(tmp_path) as database:
        yield make_station(database, tmp_path / "data", clock)


@contextmanager
def locked(tmp_path: Path) -> Iterator[None]:
    """Hold the write lock."""
    with closing(sqlite3.connect(tmp_path / "voorrang.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def hashed(station: Station) -> int:
    return sum(len(row.content_sha256) == 64 for row in station.rows(select(instance.c.content_sha256)))


def test_hashing_goes_on_when_it_is_back(station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "EVERY_SECONDS", 0.01)
    station.receive(*make_stack(3))
    station.take_in()
    with locked(tmp_path):
        station.runtime.work("hashing", Hasher(station.runtime).run)
        station.runtime.stop.wait(1.0)
        assert not station.runtime.failed
    wait_until(lambda: hashed(station) == 3, WITHIN_SECONDS, "hashes")
    station.runtime.stop.set()


def test_strays_get_their_rows_when_it_is_back(
    station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "is_settled", lambda *_: True)
    station.receive(*make_stack(3))
    for segment in (station.intake.folder / "0").iterdir():
        segment.unlink()
    station.clock.advance(10.0**9)  # files have the machine's time
    recover = service._recover
    with locked(tmp_path):
        station.runtime.work(
            "recovery", lambda: recover(station.runtime, station.intake, station.accountant, station.clock.now())
        )
        station.runtime.stop.wait(3.0)
        assert not station.runtime.failed
    wait_until(lambda: len(station.rows(select(instance))) == 3, WITHIN_SECONDS, "rows")
    station.runtime.stop.set()
