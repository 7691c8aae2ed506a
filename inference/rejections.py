"""Which revisions of series were rejected: what was begun of them is given up, and no answer of them is told."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from inference.tables import rejection
from voorrang.events.records import SeriesRejected
from voorrang.outbox import insert_once


def keep(connection: Connection, record: SeriesRejected) -> None:
    """Write up to which revision a series is rejected, unless a higher one is known."""
    key, revision = {"series_instance_uid": record.series_instance_uid}, record.series_revision
    if not insert_once(connection, rejection, key | {"series_revision": revision}):
        c = rejection.c
        lower = (c.series_instance_uid == record.series_instance_uid) & (c.series_revision < revision)
        connection.execute(update(rejection).where(lower).values(series_revision=revision))


def covers(connection: Connection, series_instance_uid: str, series_revision: int) -> bool:
    """Tell whether a revision of a series is rejected."""
    c = rejection.c
    where = (c.series_instance_uid == series_instance_uid) & (c.series_revision >= series_revision)
    return connection.execute(select(c.series_revision).where(where)).first() is not None
