"""Which series of a study models have scored, so that none is read after a better one; the highest version counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from sqlalchemy import Connection, and_, exists, or_, select, update

from inference.selection import Quality, Rival
from inference.tables import answered, rejection
from voorrang.events.records import ModelIdentity, SeriesCompleted
from voorrang.outbox import insert_once


def note(connection: Connection, record: SeriesCompleted, model: ModelIdentity, scored: Quality | None) -> None:
    """
    Write that a model has answered for a revision of a series, unless it has for a higher one, or in a later run.

    Parameters
    ----------
    connection
        A writing transaction, that of the answer.
    record
        What was asked.
    model
        Which model, exactly.
    scored
        What the series is; None when the answer was no score.
    """
    key = {
        "series_instance_uid": record.series_instance_uid,
        "pathway": record.pathway,
        "model_id": model.model_id,
        "version": model.version_label,
        "weights_digest": model.weights_digest,
    }
    values = {
        "study_instance_uid": record.study_instance_uid,
        "series_revision": record.series_revision,
        "run": record.run,
        "quality": asdict(scored) if scored else None,
    }
    if insert_once(connection, answered, key | values):
        return
    c = answered.c
    mine = and_(*(c[name] == value for name, value in key.items()))
    older = or_(
        c.series_revision < record.series_revision,
        and_(c.series_revision == record.series_revision, c.run < record.run),
    )
    connection.execute(update(answered).where(mine, older).values(**values))


def find(connection: Connection, record: SeriesCompleted, models: Mapping[str, ModelIdentity]) -> tuple[Rival, ...]:
    """
    Return the other series of the study that models have scored on this pathway, as their latest answers stand.

    One whose images were rejected since is none of them.

    Parameters
    ----------
    connection
        A transaction.
    record
        The series that is asked about.
    models
        By name; answers of another version or other weights are not seen.
    """
    r = rejection.c
    is_void = (r.series_instance_uid == answered.c.series_instance_uid) & (
        r.series_revision >= answered.c.series_revision
    )
    rows = connection.execute(
        select(answered)
        .where(answered.c.study_instance_uid == record.study_instance_uid, answered.c.pathway == record.pathway)
        .where(answered.c.series_instance_uid != record.series_instance_uid)
        .where(~exists().where(is_void))
        .order_by(answered.c.series_instance_uid)
    ).all()
    names = {_exactly(model): name for name, model in models.items()}
    found: dict[tuple[str, Quality], set[str]] = {}
    for row in rows:
        name = names.get((row.model_id, row.version, row.weights_digest))
        if name is not None and row.quality:
            found.setdefault((row.series_instance_uid, Quality(**row.quality)), set()).add(name)
    return tuple(Rival(uid, quality, frozenset(by)) for (uid, quality), by in found.items())


def _exactly(model: ModelIdentity) -> tuple[str, str, str]:
    return (model.model_id, model.version_label, model.weights_digest)
