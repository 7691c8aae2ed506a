"""Rows of refusals whose bytes are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from ingest.tables import refusal
from voorrang.clock import utc


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """One instance that was refused; `settled` is empty until a person has replayed or discarded it."""

    id: int
    at: datetime
    reason: str
    status: int
    sender: str
    locator: str
    settled: str


def unsettled(connection: Connection) -> list[RefusalRow]:
    """Return the refusals whose bytes are kept and that nobody has settled, oldest first."""
    where = refusal.c.locator.is_not(None) & (refusal.c.settled == "")
    return [_row(found) for found in connection.execute(select(refusal).where(where).order_by(refusal.c.id))]


def find(connection: Connection, refusal_id: int) -> RefusalRow | None:
    """Return a refusal whose bytes were kept, settled or not."""
    where = (refusal.c.id == refusal_id) & refusal.c.locator.is_not(None)
    found = connection.execute(select(refusal).where(where)).one_or_none()
    return _row(found) if found is not None else None


def settle(connection: Connection, refusal_id: int, how: str, now: datetime) -> bool:
    """Write how a refusal was settled; False when somebody has settled it before."""
    where = (refusal.c.id == refusal_id) & (refusal.c.settled == "")
    return connection.execute(update(refusal).where(where).values(settled=how, settled_at=now)).rowcount == 1


def _row(found: Row[Any]) -> RefusalRow:
    values = found._mapping
    return RefusalRow(
        values["id"],
        utc(values["at"]),
        values["reason"],
        values["status"],
        values["sender"],
        values["locator"],
        values["settled"],
    )
