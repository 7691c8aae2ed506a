"""Writes down the place of an item whenever it changes, in the transaction that ranks it, and reads it back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import astuple
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, literal, select

from voorrang.clock import utc
from voorrang.database import Connection
from worklist.facts import ItemFacts
from worklist.minutes.facts import Exam, Placed, Said
from worklist.minutes.tables import placed
from worklist.ordering.places import SortKey
from worklist.states import ItemState, ItemView, PathwayView

_LATEST = select(placed).where(placed.c.item_key == bindparam("key")).order_by(placed.c.id.desc()).limit(1)
_COLUMNS = [column for column in placed.c if column.name not in {"id", "item_key"}]
_AT_ONCE = 500


def record(
    connection: Connection, facts: ItemFacts, key: SortKey, without_ai: SortKey, view: ItemView, now: datetime
) -> None:
    """
    Write the place of an item where it differs from the last one; an item that has none is not written.

    Parameters
    ----------
    connection
        The transaction that ranks the item.
    facts
        Of the item.
    key, without_ai
        Its place, and what the same policy sets without any answer of a model.
    view
        What is shown of it.
    now
        From when on.
    """
    if view.state is ItemState.PRIOR:
        return
    values = {
        "arrived_at": facts.arrived_at,
        "place": _numbers(key),
        "place_without_ai": _numbers(without_ai),
        "said": _said(view.pathways),
    }
    last = connection.execute(_LATEST, {"key": facts.item_key}).one_or_none()
    if last is None or _values(last) != values:
        connection.execute(insert(placed).values(item_key=facts.item_key, at=now, **values))


def follow(connection: Connection, before: str, after: str) -> None:
    """Give the places of an item to the one that its studies moved to, unless that has places of its own."""
    known = select(placed.c.id).where(placed.c.item_key == after).exists()
    source = select(literal(after), *_COLUMNS).where(placed.c.item_key == before, ~known).order_by(placed.c.id)
    connection.execute(insert(placed).from_select(["item_key", *(column.name for column in _COLUMNS)], source))


def exams(connection: Connection, item_keys: Collection[str]) -> dict[str, Exam]:
    """Return what is known of the places of some items; an item without a place is left out."""
    rows: dict[str, list[Any]] = defaultdict(list)
    keys = sorted(item_keys)
    for start in range(0, len(keys), _AT_ONCE):
        some = placed.c.item_key.in_(keys[start : start + _AT_ONCE])
        for row in connection.execute(select(placed).where(some).order_by(placed.c.at, placed.c.id)):
            rows[row.item_key].append(row)
    return {key: Exam(key, utc(mine[-1].arrived_at), tuple(map(_placed, mine))) for key, mine in rows.items()}


def _numbers(key: SortKey) -> list[float]:
    """Return what the policy compares before arrival and key, which are its last."""
    return list(astuple(key)[:-2])


def _said(views: Iterable[PathwayView]) -> dict[str, str]:
    """Return the loudest word of each pathway: several of its series may have been answered."""
    words: dict[str, str] = {}
    for view in views:
        words.setdefault(view.pathway, _word(view).value)
    return words


def _word(view: PathwayView) -> Said:
    if view.flagged:
        return Said.FLAGGED
    return Said.NOT_FLAGGED if view.state is ItemState.SCORED and not view.provisional else Said.NOTHING


def _values(row: Any) -> dict[str, Any]:
    return {
        "arrived_at": utc(row.arrived_at),
        "place": row.place,
        "place_without_ai": row.place_without_ai,
        "said": row.said,
    }


def _placed(row: Any) -> Placed:
    arrived_at = utc(row.arrived_at)
    return Placed(
        utc(row.at),
        (tuple(row.place), arrived_at, row.item_key),
        (tuple(row.place_without_ai), arrived_at, row.item_key),
        {pathway: Said(word) for pathway, word in row.said.items()},
    )
