"""Rows whose hash is to be made."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select, update

from ingest.tables import instance


def without_hash(connection: Connection, limit: int, series_instance_uid: str | None = None) -> list[str]:
    """Return the locators of instances without a hash; of one series, or of all; -1: no limit."""
    query = select(instance.c.locator).where(instance.c.content_sha256 == "")
    if series_instance_uid is not None:
        query = query.where(instance.c.series_instance_uid == series_instance_uid)
    if limit >= 0:
        query = query.limit(limit)
    return list(connection.execute(query).scalars())


def write_hashes(connection: Connection, hashes: Sequence[tuple[str, str]]) -> None:
    """Write the hash of what lies under each locator; a row that has another file by now stays as it is."""
    statement = update(instance).where(instance.c.locator == bindparam("at"))
    rows = [{"at": locator, "hash": digest} for locator, digest in hashes]
    connection.execute(statement.values(content_sha256=bindparam("hash")), rows)
