"""Reads what the proof of minutes is made from: openings from the decision log, places, reports, costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from voorrang.clock import utc
from voorrang.database import Connection
from voorrang.events.reading_records import WhyClosed
from worklist.minutes.facts import Readings
from worklist.minutes.telling_apart import Closed, Opened, readings
from worklist.orders.facts import Standing
from worklist.reading import log
from worklist.reading.log import Act
from worklist.reading.tables import decision
from worklist.states import ItemState
from worklist.tables import answer, item, study

# The list is seldom empty when a period begins: exams of so long before are replayed too, and not counted.
WARM_UP = timedelta(days=2)
_WHY: Mapping[Act, WhyClosed] = {
    Act.HANDED_BACK: "handed_back",
    Act.EXPIRED: "expired",
    Act.DONE: "by_hand",
    Act.REPORTED: "reported",
    Act.WITHDRAWN: "withdrawn",
}
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Exams:
    """
    What became of the exams that came in a period; priors are none.

    `read_here` were opened on this list and reported or called done; `read_elsewhere` were so without being opened
    here; the others wait, or were withdrawn.
    """

    came: int
    read_here: int
    read_elsewhere: int
    withdrawn: int
    waiting: int


def load_readings(connection: Connection, since: datetime, now: datetime) -> tuple[Readings, frozenset[str]]:
    """Return the readings from two days before a moment until now, and the keys of the items that are reported."""
    acts = [Act.OPENED.value, Act.MOVED.value, *(act.value for act in _WHY)]
    begin = select(func.min(decision.c.id)).where(decision.c.act == Act.OPENED.value, decision.c.at >= since - WARM_UP)
    rows = connection.execute(
        select(decision).where(decision.c.id >= begin.scalar_subquery(), decision.c.act.in_(acts))
    ).all()
    moved = {row.detail["reading"]: row.item_key for row in rows if row.act == Act.MOVED}
    opened = [_opened(row, moved) for row in rows if row.act == Act.OPENED]
    closed = [_closed(row) for row in rows if row.act in _WHY and row.detail.get("reading") is not None]
    keys = sorted({one.item_key for one in opened})
    reported, by_hand = _read(connection, keys)
    return readings(opened, closed, reported | by_hand, now), frozenset(reported)


def confirmed(connection: Connection, item_keys: Sequence[str]) -> frozenset[tuple[str, str]]:
    """Return item and pathway of each flag that its last judgement agreed with."""
    agreed: set[tuple[str, str]] = set()
    for keys in _parts(item_keys):
        for key, lines in log.decisions(connection, keys).items():
            last = log.last_judgement(lines)
            if last is not None and last.detail["judgement"] == "agree":
                agreed |= {(key, about["pathway"]) for about in last.detail["ai_shown"] if about["flagged"]}
    return frozenset(agreed)


def load_costs(connection: Connection, since: datetime, until: datetime) -> dict[str, list[float | None]]:
    """Return by pathway what each answer about the studies of a period cost; None without a price."""
    rows = connection.execute(
        select(answer.c.pathway, answer.c.record)
        .join(study, study.c.study_instance_uid == answer.c.study_instance_uid)
        .where(study.c.first_received_at >= since, study.c.first_received_at < until, ~study.c.prior)
    )
    found: dict[str, list[float | None]] = {}
    for row in rows:
        computing = row.record.get("computing") or {}
        found.setdefault(row.pathway, []).append(computing.get("cost"))
    return found


def count_exams(connection: Connection, since: datetime, until: datetime) -> Exams:
    """Return what became of the exams of a period."""
    # Of what was opened before its order came, the log has the order's key where the reading moved.
    begun = select(decision.c.item_key).where(
        decision.c.act.in_([Act.OPENED.value, Act.MOVED.value]), decision.c.at >= since
    )
    was_opened = item.c.item_key.in_(begun)
    rows = connection.execute(
        select(item.c.standing, item.c.done_by_hand, was_opened.label("opened"), func.count().label("n"))
        .where(item.c.arrived_at >= since, item.c.arrived_at < until)
        .where(item.c.study_count > 0, item.c.state != ItemState.PRIOR.value)
        .group_by(item.c.standing, item.c.done_by_hand, was_opened)
    ).all()
    withdrawn = sum(row.n for row in rows if row.standing == Standing.WITHDRAWN)
    read = [row for row in rows if row.standing == Standing.REPORTED or (_stands(row) and row.done_by_hand)]
    here = sum(row.n for row in read if row.opened)
    elsewhere = sum(row.n for row in read if not row.opened)
    waiting = sum(row.n for row in rows if _stands(row) and not row.done_by_hand)
    return Exams(sum(row.n for row in rows), here, elsewhere, withdrawn, waiting)


def _stands(row: Any) -> bool:
    return bool(row.standing == Standing.OPEN)


def _read(connection: Connection, item_keys: Sequence[str]) -> tuple[set[str], set[str]]:
    reported: set[str] = set()
    by_hand: set[str] = set()
    for keys in _parts(item_keys):
        query = select(item.c.item_key, item.c.standing, item.c.done_by_hand).where(item.c.item_key.in_(keys))
        for row in connection.execute(query):
            if row.standing == Standing.REPORTED:
                reported.add(row.item_key)
            elif row.done_by_hand and row.standing == Standing.OPEN:
                by_hand.add(row.item_key)
    return reported, by_hand


def _opened(row: Any, moved: Mapping[int, str]) -> Opened:
    return Opened(utc(row.at), row.id, moved.get(row.id, row.item_key), row.actor, row.detail["how"])


def _closed(row: Any) -> Closed:
    return Closed(utc(row.at), row.detail["reading"], _WHY[Act(row.act)])


def _parts(item_keys: Sequence[str]) -> list[list[str]]:
    keys = sorted(item_keys)
    return [keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE)]
