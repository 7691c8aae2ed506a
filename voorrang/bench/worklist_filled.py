"""A worklist with thousands of open items: a few made by events, the others copied from their rows."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Table, insert, select

from voorrang import identity, register
from voorrang.bench.without_broker import runtime_without_broker
from voorrang.consuming import Handler
from voorrang.database import Connection
from voorrang.events.envelope import Event, event_id
from voorrang.events.records import Claim, FindingsScored, ModelIdentity, Record, ScoringState, StudyUpdated
from voorrang.identity import PatientIdentity, StudyIdentity
from voorrang.pathways.loading import load_pathways
from voorrang.purpose import Purpose
from voorrang.register import Actor, EnvelopeFacts, Influence, ModelVersion
from voorrang.runtime import Runtime
from voorrang.settings import Settings
from voorrang.statement import RESEARCH
from voorrang.tables import identity_patient, identity_study
from worklist.handlers import handlers
from worklist.minutes.tables import placed
from worklist.ranking import Ranking
from worklist.reading.tables import shown
from worklist.tables import answer, item, study

MODEL = ModelIdentity(model_id="bench", version_label="1", weights_digest="e" * 64)
PATHWAY = "stroke"
FLAGGED = 10
# Of every ten items: which are of no pathway, and which of one whose model has answered; the rest still waits for it.
_NO_PATHWAY, _ANSWERED = 4, 4
_COPIED: Sequence[Table] = (identity_patient, identity_study, study, answer, shown, placed, item)


@dataclass(slots=True)
class Filled:
    """A worklist, and what hands events over to it."""

    runtime: Runtime
    handle_by_type: Mapping[str, Handler]

    def tell(self, record: Record) -> None:
        """Hand an event over, as the consumer does."""
        event = self.event(record)
        self.handle_by_type[event.type](event)

    def event(self, record: Any) -> Event[Any]:
        """Put a record into an envelope."""
        uid = record.study_instance_uid
        return Event(
            id=event_id(record.event_type, record.model_dump_json()),
            source="bench",
            type=record.event_type,
            time=self.runtime.clock.now(),
            subject=uid,
            traceparent="",
            purpose=Purpose.CLINICAL,
            site="bench",
            patient_key=f"p_{uid}",
            order_key="",
            data=record,
        )


def uid_of(number: int, series: str = "") -> str:
    """Return the UID of a study, or of its one series."""
    return f"1.2.826.0.1.3680043.10.998.{number:06}{series}"


def make_study(number: int, at: datetime, *, is_wanted: bool) -> StudyUpdated:
    """Return what ingest says of a study."""
    claims = (Claim(series_instance_uid=uid_of(number, ".1"), pathway=PATHWAY),) if is_wanted else ()
    return StudyUpdated(
        study_instance_uid=uid_of(number),
        study_version=1,
        first_received_at=at,
        last_received_at=at,
        modalities=("CT",),
        series_count=1,
        instance_count=300,
        prior=False,
        claims=claims,
    )


def make_answer(number: int, at: datetime, score: float, run: int) -> FindingsScored:
    """Return what the model says of a study."""
    return FindingsScored(
        study_instance_uid=uid_of(number),
        series_instance_uid=uid_of(number, ".1"),
        series_revision=1,
        instances_digest="d" * 64,
        pathway=PATHWAY,
        model=MODEL,
        run=run,
        state=ScoringState.SCORED,
        score=score,
        operating_point=0.5,
        last_received_at=at,
        scored_at=at,
    )


@contextmanager
def filled_worklist(url: str, items: int) -> Iterator[Filled]:
    """
    Give a worklist with so many open items; their studies are numbered from 1, the flagged ones first.

    Parameters
    ----------
    url
        Of an empty database.
    items
        How many.

    Yields
    ------
    Filled
        The worklist.
    """
    with tempfile.TemporaryDirectory(prefix="voorrang-bench-") as folder:
        filled = _worklist(Settings(data_dir=Path(folder), database_url=url, site="bench", disk_reserve_bytes=0))
        try:
            _fill(filled, items)
            yield filled
        finally:
            filled.runtime.database.close()


def _worklist(settings: Settings) -> Filled:
    pathways = load_pathways(None)
    use = pathways[PATHWAY].models[0].model_copy(update={"name": MODEL.model_id, "operating_point": 0.5})
    pathways[PATHWAY] = pathways[PATHWAY].model_copy(update={"models": (use,)})
    runtime = replace(runtime_without_broker("worklist", settings), pathways=pathways)
    version = ModelVersion(MODEL.model_id, MODEL.version_label, MODEL.weights_digest, RESEARCH)
    by = Actor("bench", "bench", "bench")
    now = runtime.clock.now()
    with runtime.database.write() as connection:
        register.register_model(connection, version, now)
        facts = EnvelopeFacts(Purpose.CLINICAL, "bench")
        register.activate(connection, pathways[PATHWAY], version, Influence.RANK, by, now, facts)
    return Filled(runtime, handlers(runtime, Ranking(runtime)))


def _fill(filled: Filled, items: int) -> None:
    """Make one item of each kind by its events, and copy its rows: as many events would take minutes."""
    now = filled.runtime.clock.now()
    kinds = {0: (True, 0.9), 1: (False, None), 2: (True, 0.1), 3: (True, None)}
    for kind, (is_wanted, score) in kinds.items():
        number = 900_000 + kind
        _name(filled, number)
        filled.tell(make_study(number, now, is_wanted=is_wanted))
        if score is not None:
            filled.tell(make_answer(number, now, score, 1))
    with filled.runtime.database.write() as connection:
        for table in _COPIED:
            rows = {kind: _rows_of(connection, table, uid_of(900_000 + kind)) for kind in kinds}
            copies = [
                _copy(row, uid_of(900_000 + kind_of(number)), number)
                for number in range(1, items + 1)
                for row in rows[kind_of(number)]
            ]
            connection.execute(insert(table), copies)
        for table in _COPIED:
            for kind in kinds:
                uid = uid_of(900_000 + kind)
                connection.execute(table.delete().where(_key_of(table).in_([uid, f"p_{uid}"])))
    with filled.runtime.database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


def kind_of(number: int) -> int:
    """Return which kind an item is: 0 flagged, 1 of no pathway, 2 not flagged, 3 waiting for its answer."""
    if number <= FLAGGED:
        return 0
    rest = number % 10
    return 1 if rest < _NO_PATHWAY else 2 if rest < _NO_PATHWAY + _ANSWERED else 3


def _name(filled: Filled, number: int) -> None:
    uid = uid_of(number)
    patient = PatientIdentity(f"p_{uid}", f"ID{number}", "HOSP", f"Bench^{number}", "19511213", "F")
    who = StudyIdentity(uid, patient, "", f"A{number}", "HOSP", "CT head")
    with filled.runtime.database.write() as connection:
        identity.remember(connection, who, filled.runtime.clock.now())


def _key_of(table: Table) -> Any:
    if table in (item, shown, placed):
        return table.c.item_key
    return table.c.patient_key if table is identity_patient else table.c.study_instance_uid


def _rows_of(connection: Connection, table: Table, uid: str) -> list[dict[str, Any]]:
    query = select(table).where(_key_of(table).in_([uid, f"p_{uid}"]))
    return [dict(row) for row in connection.execute(query).mappings()]


def _copy(row: dict[str, Any], uid: str, number: int) -> dict[str, Any]:
    """Return the row of another item: its own UIDs, an arrival of its own within the last three days."""
    earlier = timedelta(seconds=number * 7919 % 259_200)

    def value(name: str, found: Any) -> Any:
        """Return what the copy has in a column."""
        if name == "change":
            return number
        if isinstance(found, datetime):
            return found - earlier if name.endswith(("arrived_at", "received_at")) else found
        if isinstance(found, str):
            return found.replace(uid, uid_of(number))
        return json.loads(json.dumps(found).replace(uid, uid_of(number))) if isinstance(found, list | dict) else found

    return {name: value(name, found) for name, found in row.items() if name != "id"}  # that is the database's to give
