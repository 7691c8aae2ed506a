"""Rows whose hash is to be made."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select, update

from ingest.tables import instance

MISSING = "missing"  # in the place of a hash: there was no file, or the disk did not give it


def without_hash(connection: Connection, limit: int) -> list[str]:
    """Return the locators of some instances whose hash nobody has tried to make."""
    query = select(instance.c.locator).where(instance.c.content_sha256 == "").limit(limit)
    return list(connection.execute(query).scalars())


def without_hash_of_series(connection: Connection, series_instance_uid: str) -> list[str]:
    """Return the locators of the instances of a series without a hash, those that were missing too."""
    mine = (instance.c.series_instance_uid == series_instance_uid) & instance.c.content_sha256.in_(["", MISSING])
    return list(connection.execute(select(instance.c.locator).where(mine)).scalars())


def write_hashes(connection: Connection, hashes: Sequence[tuple[str, str]]) -> None:
    """Write the hash of what lies under each locator; a row that has another file by now stays as it is."""
    statement = update(instance).where(instance.c.locator == bindparam("at"))
    rows = [{"at": locator, "hash": digest} for locator, digest in hashes]
    connection.execute(statement.values(content_sha256=bindparam("hash")), rows)
