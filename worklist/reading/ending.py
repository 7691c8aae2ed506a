"""How a reading ends without its reader: by a report, by a withdrawal, because its time is over; and how it moves."""

from __future__ import annotations

from datetime import datetime

from voorrang.database import Connection
from voorrang.events.reading_records import WhyClosed
from voorrang.runtime import Runtime
from worklist import facts_store
from worklist.minutes import history
from worklist.orders.facts import Standing
from worklist.reading import announcing, calls, claims, log, shown
from worklist.reading.escalating import WhyEnded
from worklist.reading.log import ITSELF, Act, Reader

_CLOSING: dict[Standing, tuple[Act, WhyClosed]] = {
    Standing.REPORTED: (Act.REPORTED, "reported"),
    Standing.WITHDRAWN: (Act.WITHDRAWN, "withdrawn"),
}


def end_reading(runtime: Runtime, connection: Connection, item_key: str, why: Standing, at: datetime) -> None:
    """
    End what goes on for an item that was reported, or is withdrawn: its claim, and what on-call radiology is told.

    For the handlers of events, within their transaction; told again, it changes nothing.

    Parameters
    ----------
    runtime, connection
        The service, and the transaction of the handler.
    item_key
        Of the item.
    why
        What ended it.
    at
        When: the time that the report states, or of the withdrawal.
    """
    act, word = _CLOSING[why]
    held = claims.held(connection, [item_key]).get(item_key)
    reading = held.reading if held else None
    if held is not None:
        claims.drop(connection, item_key)
        log.append(connection, act, item_key, ITSELF, at, {"reading": held.reading, "reader": held.actor})
    calls.end(connection, item_key, WhyEnded.CLOSED)
    announcing.closed(runtime, connection, item_key, reading, word, ITSELF, at, at.isoformat())


def expire(runtime: Runtime, connection: Connection, now: datetime) -> None:
    """End the claims whose time is over: the next reader need not wait for somebody who went home."""
    claims.shorten(connection, now)
    for held in claims.over(connection, now):
        claims.drop(connection, held.item_key)
        number = log.append(connection, Act.EXPIRED, held.item_key, ITSELF, now, {"reading": held.reading})
        by = Reader(held.actor, held.role)
        announcing.closed(runtime, connection, held.item_key, held.reading, "expired", by, now, number)


def follow_studies(runtime: Runtime, connection: Connection, before: str, after: str) -> None:
    """
    Give what is known of an item's reading to the one that its studies moved to: an order that came after its images.

    Called before the new item is ranked; an item that still has studies keeps what it has, but for the claim where all
    of those are read: it was for what moved. Who has the new item keeps it: a reading that meets another there ends.
    """
    left = facts_store.item_facts(connection, before)
    if before == after or (left.studies and not left.is_done):
        return
    now = runtime.clock.now()
    if not left.studies:
        shown.follow(connection, before, after)
        history.follow(connection, before, after)
        calls.rename(connection, before, after)
        if any(line.act in (Act.JUDGED, Act.DONE) for line in log.decisions(connection, [before]).get(before, [])):
            log.append(connection, Act.FOLLOWED, after, ITSELF, now, {"from": before})
    _move_claim(runtime, connection, before, after, now)


def _move_claim(runtime: Runtime, connection: Connection, before: str, after: str, now: datetime) -> None:
    moved = claims.held(connection, [before]).get(before)
    if moved is None:
        return
    if claims.held(connection, [after]):
        claims.drop(connection, before)
        detail = {"reading": moved.reading, "reader": moved.actor}
        number = log.append(connection, Act.WITHDRAWN, before, ITSELF, now, detail)
        announcing.closed(runtime, connection, after, moved.reading, "withdrawn", ITSELF, now, number)
        return
    claims.rename(connection, before, after)
    log.append(connection, Act.MOVED, after, ITSELF, now, {"from": before, "reading": moved.reading})
