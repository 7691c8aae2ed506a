"""
The outbox: an event is a row in the transaction of the state that it announces, published by a relay afterwards.

Also the receipts, its counterpart: a consumer writes one in the transaction in which it has handled an event.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Executable, Table, and_, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from voorrang.bus import Message, Partition, Place
from voorrang.events.envelope import Event, encode
from voorrang.tables import lease, outbox, receipt

_MOST_AHEAD = 2.0  # times the length of a lease: clocks of two machines may differ by as much as one


def append(connection: Connection, service: str, topic: str, event: Event[Any], now: datetime) -> bool:
    """
    Write an event in the caller's transaction.

    Returns
    -------
    bool
        False when this very fact was announced before.
    """
    values = {
        "service": service,
        "event_id": event.id,
        "topic": topic,
        "key": event.subject,
        "payload": encode(event),
        "created_at": now,
    }
    return insert_once(connection, outbox, values)


def insert_once(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Insert a row unless its key exists already; tell whether it was inserted."""
    statement = _insertion(table, connection.dialect.name == "sqlite")
    # Without the option SQLAlchemy gives -1 for an INSERT on PostgreSQL, which would read as "was there already".
    return connection.execute(statement, values, execution_options={"preserve_rowcount": True}).rowcount == 1


@cache
def _insertion(table: Table, is_sqlite: bool) -> Executable:
    # Made once for each table: making a statement costs more than running it.
    made: Executable = (sqlite if is_sqlite else postgresql).insert(table).on_conflict_do_nothing()
    return made


def record_receipt(connection: Connection, consumer: str, event_id: str, outcome: str, now: datetime) -> bool:
    """Write that a consumer has settled an event; False when it had done so before."""
    values = {"consumer": consumer, "event_id": event_id, "outcome": outcome, "at": now}
    return insert_once(connection, receipt, values)


def has_receipt(connection: Connection, consumer: str, event_id: str) -> bool:
    """Tell whether a consumer has settled an event."""
    where = (receipt.c.consumer == consumer) & (receipt.c.event_id == event_id)
    return connection.execute(select(receipt.c.event_id).where(where)).first() is not None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row that the broker has not acknowledged."""

    id: int
    message: Message


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A published row that lacks receipts; `place` is where it was written last."""

    id: int
    event_id: str
    place: Place
    answered_by: frozenset[str]


def waiting(connection: Connection, service: str, limit: int) -> list[Waiting]:
    """Return the oldest rows that wait for the broker."""
    rows = connection.execute(
        select(outbox.c.id, outbox.c.topic, outbox.c.key, outbox.c.payload)
        .where(outbox.c.service == service, outbox.c.published_at.is_(None))
        .order_by(outbox.c.id)
        .limit(limit)
    )
    return [Waiting(row.id, Message(row.topic, row.key, row.payload)) for row in rows]


def count_waiting(connection: Connection, service: str) -> int:
    """Return how many rows wait for the broker."""
    where = (outbox.c.service == service) & outbox.c.published_at.is_(None)
    return int(connection.execute(select(func.count()).select_from(outbox).where(where)).scalar_one())


def mark_published(connection: Connection, ids: Sequence[int], places: Sequence[Place], now: datetime) -> None:
    """Write down where each row lies on the broker."""
    if not ids:
        return
    statement = (
        update(outbox)
        .where(outbox.c.id == bindparam("row_id"))
        .values(published_at=now, partition=bindparam("number"), offset=bindparam("at"), log_id=bindparam("log"))
    )
    rows = [
        {"row_id": row_id, "number": place.partition.number, "at": place.offset, "log": place.log_id}
        for row_id, place in zip(ids, places, strict=True)
    ]
    connection.execute(statement, rows)


def give_up(connection: Connection, ids: Sequence[int], now: datetime) -> None:
    """Close rows that were never published, and never will be."""
    connection.execute(update(outbox).where(outbox.c.id.in_(list(ids))).values(published_at=now, answered_at=now))


def close_answered(
    connection: Connection, service: str, consumers: Mapping[str, Collection[str]], now: datetime
) -> int:
    """
    Close the rows for which every consumer of the topic has a receipt.

    Parameters
    ----------
    connection
        A writing transaction.
    service
        Whose rows.
    consumers
        Topic name to the consumers that must answer.
    now
        Written as the time of the answer.

    Returns
    -------
    int
        How many rows were closed.
    """

    def has(consumer: str) -> ColumnElement[bool]:
        """Return whether a consumer has a receipt, as SQL."""
        mine = (receipt.c.consumer == consumer) & (receipt.c.event_id == outbox.c.event_id)
        return select(receipt.c.event_id).where(mine).exists()

    # By name, not by number: a consumer that is no longer among them must not stand for one that is.
    answered = or_(
        outbox.c.topic.not_in(list(consumers)),
        *(and_(outbox.c.topic == topic, *map(has, names)) for topic, names in consumers.items()),
    )
    return connection.execute(
        update(outbox)
        .where(outbox.c.service == service, outbox.c.answered_at.is_(None), outbox.c.published_at.is_not(None))
        .where(answered)
        .values(answered_at=now)
    ).rowcount


def unanswered(connection: Connection, service: str, after_id: int, limit: int) -> list[Unanswered]:
    """Return published rows without all receipts, the oldest after `after_id` first."""
    rows = connection.execute(
        select(
            outbox.c.id,
            outbox.c.event_id,
            outbox.c.topic,
            outbox.c.partition,
            outbox.c.offset,
            outbox.c.log_id,
        )
        .where(outbox.c.service == service, outbox.c.answered_at.is_(None), outbox.c.published_at.is_not(None))
        .where(outbox.c.id > after_id)
        .order_by(outbox.c.id)
        .limit(limit)
    ).all()
    answered: dict[str, set[str]] = {row.event_id: set() for row in rows}
    for answer in connection.execute(
        select(receipt.c.event_id, receipt.c.consumer).where(receipt.c.event_id.in_(list(answered)))
    ):
        answered[answer.event_id].add(answer.consumer)
    return [
        Unanswered(
            row.id,
            row.event_id,
            Place(Partition(row.topic, row.partition), row.offset, row.log_id or ""),
            frozenset(answered[row.event_id]),
        )
        for row in rows
    ]


def messages(connection: Connection, ids: Sequence[int]) -> list[Waiting]:
    """Return the messages of rows, to be sent again."""
    rows = connection.execute(
        select(outbox.c.id, outbox.c.topic, outbox.c.key, outbox.c.payload).where(outbox.c.id.in_(list(ids)))
    )
    return [Waiting(row.id, Message(row.topic, row.key, row.payload)) for row in rows]


def prune(connection: Connection, service: str, older_than: datetime) -> int:
    """Delete answered rows and their receipts that are older than a time; return how many rows."""
    old = select(outbox.c.event_id).where(
        outbox.c.service == service, outbox.c.answered_at.is_not(None), outbox.c.answered_at < older_than
    )
    connection.execute(delete(receipt).where(receipt.c.event_id.in_(old)))
    return connection.execute(delete(outbox).where(outbox.c.event_id.in_(old))).rowcount


def take_lease(connection: Connection, name: str, holder: str, now: datetime, seconds: float) -> bool:
    """
    Take or keep a lease; tell whether it is ours until `now` + `seconds`.

    Several workers of one service share one outbox, and one of them relays it at a time. A lease that runs for longer
    than any is given was taken before the clock was put back: its holder may have gone with that time.
    """
    until = now + timedelta(seconds=seconds)
    is_over = (lease.c.until < now) | (lease.c.until > now + timedelta(seconds=_MOST_AHEAD * seconds))
    where = (lease.c.name == name) & ((lease.c.holder == holder) | is_over)
    if connection.execute(update(lease).where(where).values(holder=holder, until=until)).rowcount == 1:
        return True
    return insert_once(connection, lease, {"name": name, "holder": holder, "until": until})


def drop_lease(connection: Connection, name: str, holder: str) -> None:
    """Give a lease back."""
    connection.execute(delete(lease).where(lease.c.name == name, lease.c.holder == holder))
