"""Whether ingest has taken a study in: rows of every instance, each with its content hash; and what was announced."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Select, func, select

from ingest.tables import claim, instance, series
from voorrang.database import Database
from voorrang.errors import RetryableError
from voorrang.tables import outbox


def rows_of(database: Database, study_instance_uids: Collection[str]) -> int:
    """Return how many instances of studies have a row."""
    return _count(database, study_instance_uids, hashed_only=False)


def hashed_rows_of(database: Database, study_instance_uids: Collection[str]) -> int:
    """Return how many instances of studies have a row with a content hash."""
    return _count(database, study_instance_uids, hashed_only=True)


def unjudged_series_of(database: Database, study_instance_uids: Collection[str]) -> int:
    """Return how many series of studies await that somebody says that they are complete, for each pathway that does."""
    query = (
        select(func.count())
        .select_from(claim)
        .join(series, series.c.series_instance_uid == claim.c.series_instance_uid)
        .where(series.c.study_instance_uid.in_(list(study_instance_uids)), claim.c.open)
    )
    return _number(database, query, when_locked=len(study_instance_uids))


def announced(database: Database, topic: str) -> int:
    """Return how many events of a topic were announced, published yet or not."""
    query = select(func.count()).select_from(outbox).where(outbox.c.topic == topic)
    return _number(database, query)


def _count(database: Database, study_instance_uids: Collection[str], *, hashed_only: bool) -> int:
    query = (
        select(func.count())
        .select_from(instance)
        .join(series, series.c.series_instance_uid == instance.c.series_instance_uid)
        .where(series.c.study_instance_uid.in_(list(study_instance_uids)))
    )
    if hashed_only:
        query = query.where(instance.c.content_sha256 != "")
    return _number(database, query)


def _number(database: Database, query: Select[Any], when_locked: int = 0) -> int:
    try:
        with database.read() as connection:
            return int(connection.execute(query).scalar_one())
    except RetryableError:  # asked again in a moment
        return when_locked
