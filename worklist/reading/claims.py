"""Claims: one reader has an item at a time, until it is given back, closed, or its time is over."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from voorrang.clock import utc
from voorrang.database import Connection
from voorrang.outbox import insert_once
from worklist.reading.log import Reader
from worklist.reading.tables import claim

CLAIM_MINUTES = 30.0

_HELD = select(claim).where(claim.c.item_key.in_(bindparam("keys", expanding=True)))


@dataclass(frozen=True, slots=True)
class Claim:
    """Who has an item, since when and until when; `reading` is the number of the decision that opened it."""

    item_key: str
    reading: int
    actor: str
    role: str
    opened_at: datetime
    until: datetime


def take(connection: Connection, item_key: str, by: Reader, reading: int, now: datetime) -> Claim | None:
    """
    Take an item within the caller's transaction.

    Returns
    -------
    Claim or None
        None when somebody has it; `expire` comes first, so that nobody has it for ever.
    """
    until = now + timedelta(minutes=CLAIM_MINUTES)
    row = {"item_key": item_key, "reading": reading, "actor": by.actor, "role": by.role}
    row_times = {"opened_at": now, "until": until}
    if not insert_once(connection, claim, row | row_times):
        return None
    return Claim(item_key, reading, by.actor, by.role, now, until)


def prolong(connection: Connection, held: Claim, now: datetime) -> Claim:
    """Let a reader who has an item have it for longer."""
    until = now + timedelta(minutes=CLAIM_MINUTES)
    connection.execute(update(claim).where(claim.c.item_key == held.item_key).values(until=until))
    return Claim(held.item_key, held.reading, held.actor, held.role, held.opened_at, until)


def drop(connection: Connection, item_key: str) -> None:
    """Let go of an item."""
    connection.execute(delete(claim).where(claim.c.item_key == item_key))


def held(connection: Connection, item_keys: Collection[str]) -> dict[str, Claim]:
    """Return who has each of some items."""
    rows = connection.execute(_HELD, {"keys": list(item_keys)})
    return {row.item_key: _claim(row) for row in rows}


def held_by(connection: Connection, actor: str) -> list[Claim]:
    """Return what a reader has, the oldest first."""
    query = select(claim).where(claim.c.actor == actor).order_by(claim.c.opened_at)
    return [_claim(row) for row in connection.execute(query)]


def over(connection: Connection, now: datetime) -> list[Claim]:
    """Return the claims whose time is over."""
    query = select(claim).where(claim.c.until <= now).order_by(claim.c.until)
    return [_claim(row) for row in connection.execute(query)]


def shorten(connection: Connection, now: datetime) -> None:
    """Let no claim last longer than one that is taken now: the clock was ahead when it was."""
    latest = now + timedelta(minutes=CLAIM_MINUTES)
    connection.execute(update(claim).where(claim.c.until > latest).values(until=latest))


def rename(connection: Connection, before: str, after: str) -> None:
    """Give a claim to the item that the studies moved to."""
    connection.execute(update(claim).where(claim.c.item_key == before).values(item_key=after))


def _claim(row: Any) -> Claim:
    return Claim(row.item_key, row.reading, row.actor, row.role, utc(row.opened_at), utc(row.until))
