"""Rows of calls: critical findings for which on-call radiology is told, or will be."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update

from voorrang.clock import utc
from voorrang.database import Connection
from voorrang.outbox import insert_once
from worklist.reading.escalating import CallState, WhyEnded
from worklist.reading.tables import call

_OF_ITEMS = select(call).where(call.c.item_key.in_(bindparam("keys", expanding=True))).order_by(call.c.id)


@dataclass(frozen=True, slots=True)
class Call:
    """One critical finding; `step` counts the messages, the next is due at `next_at`."""

    id: int
    item_key: str
    pathway: str
    model_id: str
    flagged_at: datetime
    state: CallState
    why: WhyEnded | None
    step: int
    next_at: datetime
    limited: bool


def begin(
    connection: Connection,
    item_key: str,
    pathway: str,
    model_id: str,
    flagged_at: datetime,
    next_at: datetime,
    ended: WhyEnded | None,
) -> bool:
    """
    Write a finding down once; one that has `ended` already is never told.

    One that has ended and is flagged later goes on with its steps; False when it is known otherwise.
    """
    key = {"item_key": item_key, "pathway": pathway, "model_id": model_id}
    values = {
        "flagged_at": flagged_at,
        "state": (CallState.ENDED if ended else CallState.WAITING).value,
        "why": ended.value if ended else "",
        "next_at": next_at,
        "limited": False,
    }
    if insert_once(connection, call, key | values | {"step": 0}):
        return True
    where = [call.c[name] == value for name, value in key.items()]
    where += [call.c.state == CallState.ENDED.value, call.c.flagged_at < flagged_at]
    return connection.execute(update(call).where(*where).values(**values)).rowcount > 0


def end(connection: Connection, item_key: str, why: WhyEnded) -> bool:
    """End what waits for an item; False when nothing did."""
    where = (call.c.item_key == item_key) & (call.c.state == CallState.WAITING.value)
    values = {"state": CallState.ENDED.value, "why": why.value}
    return connection.execute(update(call).where(where).values(**values)).rowcount > 0


def change(connection: Connection, number: int, **values: Any) -> None:
    """Write what a look at a waiting call decided."""
    connection.execute(update(call).where(call.c.id == number).values(**values))


def due(connection: Connection, now: datetime) -> list[Call]:
    """Return the calls whose next message is due, the oldest first."""
    where = (call.c.state == CallState.WAITING.value) & (call.c.next_at <= now)
    return [_call(row) for row in connection.execute(select(call).where(where).order_by(call.c.next_at, call.c.id))]


def get(connection: Connection, number: int) -> Call | None:
    """Return one call."""
    row = connection.execute(select(call).where(call.c.id == number)).one_or_none()
    return _call(row) if row is not None else None


def known(connection: Connection, item_keys: Collection[str]) -> dict[tuple[str, str, str], Call]:
    """Return the calls of some items, by item, pathway and model."""
    found = [_call(row) for row in connection.execute(select(call).where(call.c.item_key.in_(list(item_keys))))]
    return {(one.item_key, one.pathway, one.model_id): one for one in found}


def of_items(connection: Connection, item_keys: Collection[str]) -> dict[str, Sequence[Call]]:
    """Return the calls of each of some items, the newest last."""
    found: dict[str, list[Call]] = {}
    for row in connection.execute(_OF_ITEMS, {"keys": list(item_keys)}):
        found.setdefault(row.item_key, []).append(_call(row))
    return dict(found)


def rename(connection: Connection, before: str, after: str) -> None:
    """
    Give the calls of an item to the one that its studies moved to.

    Where that one has a call about the same model it keeps its own, unless that has ended and the one that comes waits:
    then they change places, so that each has the reference of its messages.
    """
    there = known(connection, [after])
    for moved in known(connection, [before]).values():
        own = there.get((after, moved.pathway, moved.model_id))
        if own is None:
            change(connection, moved.id, item_key=after)
        elif own.state is CallState.ENDED and moved.state is CallState.WAITING:
            change(connection, own.id, item_key="")  # one finding has one row at a time
            change(connection, moved.id, item_key=after)
            change(connection, own.id, item_key=before)


def _call(row: Any) -> Call:
    return Call(
        row.id,
        row.item_key,
        row.pathway,
        row.model_id,
        utc(row.flagged_at),
        CallState(row.state),
        WhyEnded(row.why) if row.why else None,
        row.step,
        utc(row.next_at),
        row.limited,
    )
