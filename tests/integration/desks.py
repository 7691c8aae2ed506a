"""An operators' desk beside a station, and commands that find their way to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ingest import store
from ingest.answering import on_findings_scored
from ingest.desk import Desk
from ingest.operating import operate
from tests.builders import MODEL, SITE, make_event, make_findings_scored
from tests.integration.listening import STUDY, Station, make_stack, make_station, own_database
from voorrang.clock import ManualClock
from voorrang.events.records import OperatorVerb, SeriesCompleted
from voorrang.register import Actor
from voorrang.tables import operator_log

SERIES = f"{STUDY}.1"
QUIET = 10.0
BY = Actor("Bakker", "operator", "the night shift says so")
ACTOR = ["--actor", BY.actor, "--role", BY.role, "--reason", BY.reason]


def desk_of(station: Station) -> Desk:
    """Return a desk on a station's database and archive, by the station's clock."""
    runtime = station.runtime
    return Desk(runtime.database, runtime.archive, runtime.keys, runtime.clock, runtime.settings, runtime.pathways)


@contextmanager
def station_with_commands(
    folder: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> Iterator[Station]:
    """Give a station in whose folder, and on whose ports, commands do their work."""
    data = folder / "data"
    data.mkdir()
    (data / "site-secret").write_text("0" * 64)
    with own_database(data) as database:
        station = make_station(database, data, clock, **settings)
        monkeypatch.setenv("VOORRANG_DATA_DIR", str(data))
        monkeypatch.setenv("VOORRANG_DICOM_PORT", str(station.port))
        monkeypatch.setenv("VOORRANG_SITE", SITE)
        yield station


def acts(station: Station) -> list[tuple[str, str, str, str, str]]:
    """Return (action, actor, role, subject, detail) of each row of the operators' log."""
    rows = station.rows(select(operator_log).order_by(operator_log.c.id))
    return [(row.action, row.actor, row.role, row.subject, row.detail) for row in rows]


def told_acts(station: Station) -> list[tuple[str, str, str, str, str | None, str | None]]:
    """Return what each `operator-action` event says: the act, who, why, and on what."""
    found = [event.data for event in station.events("operator-action")]
    return [(r.action, r.actor, r.role, r.reason, r.study_instance_uid, r.series_instance_uid) for r in found]


def let_pass(station: Station, seconds: float) -> None:
    """Let time pass and look at every claim."""
    station.clock.advance(seconds)
    station.assembler.step()


def receive(station: Station, n: int = 12, **how: Any) -> None:
    """Receive a series, of a study of its own when that is said."""
    station.receive(*make_stack(n, **how))
    station.take_in()


def complete(station: Station) -> None:
    """Receive a series and let it be announced."""
    receive(station)
    let_pass(station, QUIET)
    assert [e.data.series_revision for e in station.events("series-completed")] == [1]


def answer(station: Station, run: int = 1, revision: int = 1) -> None:
    """Hear the answer of the pathway's only model."""
    record = make_findings_scored(
        study_instance_uid=STUDY, series_instance_uid=SERIES, model=MODEL, series_revision=revision, run=run
    )
    on_findings_scored(station.runtime, make_event(record, subject=STUDY))


def do(station: Station, verb: OperatorVerb, asked: str = STUDY, by: Actor = BY) -> list[str]:
    """Do an act at the station's desk."""
    return operate(desk_of(station), verb, asked, by)


def completed(station: Station) -> list[SeriesCompleted]:
    """Return what was announced as complete."""
    return [event.data for event in station.events("series-completed")]


def waiting(station: Station) -> int:
    """Return how many instances wait for images or an answer."""
    with station.runtime.database.read() as connection:
        return store.count_waiting(connection)
