"""The decision log: what people did on the list, and what was done for want of them; it only grows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, func, insert, select

from voorrang.clock import utc
from voorrang.database import Connection
from worklist.reading.tables import decision

BY_ITSELF = "voorrang"
SYSTEM = "system"

_ABOUT = select(decision).where(decision.c.item_key.in_(bindparam("keys", expanding=True))).order_by(decision.c.id)
_LAST = select(func.coalesce(func.max(decision.c.id), 0))


class Act(StrEnum):
    """What is written down; a closed set."""

    OPENED = "opened"
    HANDED_BACK = "handed_back"
    EXPIRED = "expired"
    MOVED = "moved"
    FOLLOWED = "followed"
    DONE = "done"
    REPORTED = "reported"
    WITHDRAWN = "withdrawn"
    JUDGED = "judged"
    UNDONE = "undone"
    ACKNOWLEDGED = "acknowledged"
    CALLED = "called"
    CALL_FAILED = "call_failed"
    CALL_SKIPPED = "call_skipped"


_FOLLOWING = (Act.JUDGED, Act.DONE, Act.UNDONE, Act.FOLLOWED)  # what is known of studies wherever they move
_FOLLOWED = (
    select(decision.c.item_key)
    .where(decision.c.act == Act.FOLLOWED.value, decision.c.detail["from"].as_string() == bindparam("key"))
    .order_by(decision.c.id.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who acts, and in which role; for what happens by itself the actor is `voorrang`."""

    actor: str
    role: str


ITSELF = Reader(BY_ITSELF, SYSTEM)


@dataclass(frozen=True, slots=True)
class Decision:
    """One line of the log."""

    id: int
    at: datetime
    actor: str
    role: str
    act: Act
    item_key: str
    detail: dict[str, Any]


def append(
    connection: Connection, act: Act, item_key: str, by: Reader, now: datetime, detail: dict[str, Any] | None = None
) -> int:
    """Write a line within the caller's transaction; return its number."""
    values = {
        "at": now,
        "actor": by.actor,
        "role": by.role,
        "act": act.value,
        "item_key": item_key,
        "detail": detail or {},
    }
    key = connection.execute(insert(decision).values(**values)).inserted_primary_key
    return int(key[0]) if key else 0


def write(
    connection: Connection, act: Act, item_key: str, by: Reader, now: datetime, detail: dict[str, Any]
) -> Decision:
    """Write a line within the caller's transaction; return it."""
    number = append(connection, act, item_key, by, now, detail)
    return Decision(number, now, by.actor, by.role, act, item_key, detail)


def decisions(connection: Connection, item_keys: Collection[str]) -> dict[str, list[Decision]]:
    """Return the lines about each of some items, oldest first; what was judged or done under an earlier key too."""
    found: dict[str, list[Decision]] = defaultdict(list)
    for line in _about(connection, item_keys):
        found[line.item_key].append(line)
    _add_earlier(connection, found)
    return found


def followed_to(connection: Connection, item_key: str) -> str:
    """Return the key under which what was said of the studies of an item goes on, since they moved; else its own."""
    seen = {item_key}
    while (after := connection.execute(_FOLLOWED, {"key": item_key}).scalar_one_or_none()) is not None:
        if after in seen:  # they came back
            break
        seen.add(after)
        item_key = after
    return item_key


def _about(connection: Connection, item_keys: Collection[str]) -> list[Decision]:
    return [
        Decision(row.id, utc(row.at), row.actor, row.role, Act(row.act), row.item_key, row.detail)
        for row in connection.execute(_ABOUT, {"keys": list(item_keys)})
    ]


def _add_earlier(connection: Connection, found: dict[str, list[Decision]]) -> None:
    """Add what was said before the studies of items moved to them, and before that: a query for each time they did."""
    moves = [(key, line) for key, lines in found.items() for line in lines if line.act is Act.FOLLOWED]
    while moves:
        earlier: dict[str, list[Decision]] = defaultdict(list)
        for line in _about(connection, {moved.detail["from"] for _, moved in moves}):
            earlier[line.item_key].append(line)
        before: list[tuple[str, Decision]] = []
        for key, moved in moves:
            known = {line.id for line in found[key]}
            mine = [
                line
                for line in earlier[moved.detail["from"]]
                if line.id < moved.id and line.id not in known and line.act in _FOLLOWING
            ]
            found[key] = sorted([*found[key], *mine], key=lambda line: line.id)
            before += [(key, line) for line in mine if line.act is Act.FOLLOWED]
        moves = before


def revision(connection: Connection) -> int:
    """Return a number that grows with every line: cheap to compare."""
    return int(connection.execute(_LAST).scalar_one())


def count_between(connection: Connection, act: Act, model_id: str, since: datetime, until: datetime) -> int:
    """Return how many lines of a kind there are about a model after a time, up to another: not of a clock ahead."""
    query = select(decision.c.detail).where(decision.c.act == act.value, decision.c.at > since, decision.c.at <= until)
    return sum(1 for detail in connection.execute(query).scalars() if detail.get("model_id") == model_id)


def undone(lines: Collection[Decision]) -> set[int]:
    """Return the numbers of the lines that were taken back."""
    return {int(line.detail["undoes"]) for line in lines if line.act is Act.UNDONE}


def last_judgement(lines: Sequence[Decision]) -> Decision | None:
    """Return what was said last of what AI had shown, and not taken back."""
    before = undone(lines)
    return next((line for line in reversed(lines) if line.act is Act.JUDGED and line.id not in before), None)
