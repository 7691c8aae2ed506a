"""Rows of items: what follows from their facts, written anew whenever any of it changes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from voorrang.clock import utc
from voorrang.database import Connection
from worklist.facts import ItemFacts
from worklist.ordering.places import SortKey
from worklist.ordering.tiers import tier_order
from worklist.orders.facts import Standing
from worklist.place_store import IN_ORDER, IS_LISTED, OFF_THE_LIST, WITHOUT_PLACE
from worklist.states import ItemState, ItemView
from worklist.tables import item

_has_studies = item.c.study_count > 0

# Made once: making a statement, and the key by which SQLAlchemy finds it compiled, costs more than running it.
_ITEM = select(item).where(item.c.item_key == bindparam("key"))
_REWRITE = update(item).where(item.c.item_key == bindparam("key"))
_LAST_CHANGE = select(func.coalesce(func.max(item.c.change), 0))


@dataclass(frozen=True, slots=True)
class Waiting:
    """Whether an open item has waited beyond its cap, and when time alone next changes it; None for never."""

    expired: bool = False
    due_at: datetime | None = None


def put_item(
    connection: Connection, facts: ItemFacts, key: SortKey, view: ItemView, now: datetime, waiting: Waiting
) -> int | None:
    """
    Write what follows from an item's facts.

    Returns
    -------
    int or None
        The item's new version; None when nothing about it changed.
    """
    settled = facts.settled
    values = {
        "study_count": len(facts.studies),
        "tier_order": int(key.tier),
        "harm_rate": -key.negative_harm_rate,
        "arrived_at": key.arrived_at,
        "human_tier_order": int(tier_order(facts.human_tier)),
        "state": view.state.value,
        "provisional": view.provisional,
        "place_class": int(key.place_class),
        "expired": waiting.expired,
        "due_at": waiting.due_at,
        "view": [asdict(pathway) for pathway in view.pathways],
        "patient_key": facts.known_by.patient_key if facts.known_by else "",
        "standing": settled.standing.value,
        "settled_at": settled.at,
        "settled_why": settled.why,
        "harm_order": key.negative_harm_rate,
        "done_by_hand": facts.is_done,
        "listed_as": OFF_THE_LIST if facts.is_done else _listed_as(settled.standing, view.state),
    }
    found = connection.execute(_ITEM, {"key": facts.item_key}).one_or_none()
    if found is None:
        first = {"item_key": facts.item_key, "item_version": 1, "ranked_at": now, "change": _next_change(connection)}
        connection.execute(insert(item).values(**first, **values))
        return 1
    before = {name: _as_utc(getattr(found, name)) for name in values}
    if before == values | {"view": _as_json(values["view"])}:
        return None
    version = int(found.item_version) + 1
    anew = values | {"item_version": version, "ranked_at": now, "change": _next_change(connection)}
    connection.execute(_REWRITE, anew | {"key": facts.item_key})
    return version


def _listed_as(standing: Standing, state: ItemState) -> int:
    if standing is not Standing.OPEN:
        return OFF_THE_LIST
    return WITHOUT_PLACE if state is ItemState.PRIOR else IN_ORDER


def withdraw_item(connection: Connection, item_key: str, now: datetime) -> bool:
    """Take an item whose studies moved to another off the list; False when it is not on it."""
    where = (item.c.item_key == item_key) & _has_studies
    values = {"study_count": 0, "expired": False, "due_at": None, "listed_as": OFF_THE_LIST}
    values |= _changed(connection, now)
    return connection.execute(update(item).where(where).values(values)).rowcount == 1


def close_item(connection: Connection, item_key: str, now: datetime) -> None:
    """Take an item off the list of which every study that is to be read was called done."""
    values = {"done_by_hand": True, "listed_as": OFF_THE_LIST} | _changed(connection, now)
    connection.execute(update(item).where(item.c.item_key == item_key).values(values))


def touch_items(connection: Connection, keys: Collection[str]) -> None:
    """Raise the versions of items of which nothing here changed, but what is shown with them did: who somebody is."""
    where = item.c.item_key.in_(list(keys)) & _has_studies
    values = {"item_version": item.c.item_version + 1, "change": _next_change(connection)}
    connection.execute(update(item).where(where).values(values))


def _changed(connection: Connection, now: datetime) -> dict[str, Any]:
    return {"item_version": item.c.item_version + 1, "ranked_at": now, "change": _next_change(connection)}


def _next_change(connection: Connection) -> int:
    return list_version(connection) + 1


def list_version(connection: Connection) -> int:
    """Return a number that grows with every change of any item."""
    return int(connection.execute(_LAST_CHANGE).scalar_one())


def is_listed(connection: Connection, item_key: str) -> bool | None:
    """Tell whether an item is on the list; None when it was never there."""
    return connection.execute(select(IS_LISTED).where(item.c.item_key == item_key)).scalar_one_or_none()


def view_of(connection: Connection, item_key: str) -> list[dict[str, Any]]:
    """Return what is shown of an item, pathway by pathway; nothing for one that is not on the list."""
    query = select(item.c.view).where(item.c.item_key == item_key, IS_LISTED)
    return connection.execute(query).scalar_one_or_none() or []


def item_keys(connection: Connection, *, due_at: datetime | None) -> Sequence[str]:
    """
    Return the keys of all items on the live list, or of those that time alone changes by a moment, settled ones too.

    What a model has lifted comes first: when it is suspended, the order is right as soon as these are ranked anew.
    """
    where = IS_LISTED if due_at is None else item.c.due_at <= due_at
    query = select(item.c.item_key).where(where).order_by(item.c.harm_rate.desc(), item.c.tier_order)
    return connection.execute(query).scalars().all()


def _as_utc(value: Any) -> Any:
    return utc(value) if isinstance(value, datetime) else value


def _as_json(views: Any) -> Any:
    return [{k: list(v) if isinstance(v, tuple) else v for k, v in view.items()} for view in views]
