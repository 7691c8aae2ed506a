"""Rows whose hash is to be made."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select, update

from ingest.tables import instance


def without_hash(connection: Connection, limit: int, series_instance_uid: str | None = None) -> list[tuple[str, str]]:
    """Return SOP Instance UID and locator of instances without a hash; of one series, or of all; -1: no limit."""
    query = select(instance.c.sop_instance_uid, instance.c.locator).where(instance.c.content_sha256 == "")
    if series_instance_uid is not None:
        query = query.where(instance.c.series_instance_uid == series_instance_uid)
    if limit >= 0:
        query = query.limit(limit)
    return [(row.sop_instance_uid, row.locator) for row in connection.execute(query)]


def write_hashes(connection: Connection, hashes: Sequence[tuple[str, str]]) -> None:
    """Write hashes."""
    statement = update(instance).where(instance.c.sop_instance_uid == bindparam("uid"))
    rows = [{"uid": uid, "hash": digest} for uid, digest in hashes]
    connection.execute(statement.values(content_sha256=bindparam("hash")), rows)
