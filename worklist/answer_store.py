"""Rows of what models answered and what ingest confirmed: the highest of each counts, whenever it comes."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, or_, update

from voorrang.database import Connection
from voorrang.events.records import FindingsScored, ScoringState, SeriesConfirmed
from voorrang.outbox import insert_once
from worklist.tables import answer, confirmation

SCORED = (answer.c.scored_revision, answer.c.scored_run, answer.c.scored_record)


def put_answer(connection: Connection, record: FindingsScored) -> None:
    """Write a model's answer unless a higher revision, then run, is known; and the same of those with a score."""
    key = {
        "series_instance_uid": record.series_instance_uid,
        "pathway": record.pathway,
        "model_id": record.model.model_id,
        "version": record.model.version_label,
        "weights_digest": record.model.weights_digest,
    }
    values = {
        "study_instance_uid": record.study_instance_uid,
        "series_revision": record.series_revision,
        "run": record.run,
        "record": record.model_dump(mode="json"),
    }
    names = (column.name for column in SCORED)
    scored = dict(zip(names, (record.series_revision, record.run, values["record"]), strict=True))
    has_score = record.state is ScoringState.SCORED and record.score is not None
    if insert_once(connection, answer, key | values | (scored if has_score else {})):
        return
    c = answer.c
    mine = and_(*(c[name] == value for name, value in key.items()))
    older = _is_older(c.series_revision, c.run, record)
    connection.execute(update(answer).where(mine, older).values(**values))
    if has_score:
        older = or_(c.scored_revision.is_(None), _is_older(c.scored_revision, c.scored_run, record))
        connection.execute(update(answer).where(mine, older).values(**scored))


def _is_older(revision: ColumnElement[int], run: ColumnElement[int], record: FindingsScored) -> ColumnElement[bool]:
    """Return whether a stored revision, then run, is lower than that of an answer, as SQL."""
    return or_(revision < record.series_revision, and_(revision == record.series_revision, run < record.run))


def put_confirmation(connection: Connection, record: SeriesConfirmed) -> None:
    """Write which revision of a series is confirmed, unless a higher one is."""
    key = {"series_instance_uid": record.series_instance_uid, "pathway": record.pathway}
    values = {"study_instance_uid": record.study_instance_uid, "series_revision": record.series_revision}
    if not insert_once(connection, confirmation, key | values):
        c = confirmation.c
        where = and_(*(c[name] == value for name, value in key.items()), c.series_revision < record.series_revision)
        connection.execute(update(confirmation).where(where).values(**values))
