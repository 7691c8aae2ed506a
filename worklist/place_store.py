"""Places as columns: in which order items stand, and how many stand before one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, bindparam, func, select

from voorrang.clock import utc
from voorrang.database import Connection
from worklist.ordering.places import PlaceClass, SortKey
from worklist.ordering.tiers import TierOrder
from worklist.tables import item

IN_ORDER, WITHOUT_PLACE, OFF_THE_LIST = 0, 1, 2
IS_LISTED = item.c.listed_as < OFF_THE_LIST
IS_RANKED = item.c.listed_as == IN_ORDER

# The columns of a place, and of the index that has them: priors, which have no place, come last.
ORDER = (
    item.c.listed_as,
    item.c.tier_order,
    item.c.place_class,
    item.c.harm_order,
    item.c.arrived_at,
    item.c.item_key,
)
_PLACE, _PLACE_NAMES = ORDER[1:], [column.name for column in ORDER[1:]]


def _count_before() -> Select[Any]:
    """
    Return what counts the items before a place: by column, those that agree in all before it and are less there.

    Each is one range of the index, whose entries are only counted; whole rows would be compared at each entry.
    """
    place = [(column, bindparam(column.name, type_=column.type)) for column in _PLACE]
    ranges = [
        select(func.count())
        .select_from(item)
        .where(IS_RANKED, *(column == value for column, value in place[:n]), place[n][0] < place[n][1])
        .scalar_subquery()
        for n in range(len(place))
    ]
    return select(sum(ranges[1:], ranges[0]))


# Made once: making a statement, and the key by which SQLAlchemy finds it compiled, costs more than running it.
_COUNT_BEFORE = _count_before()


def place_of(row: Any) -> SortKey:
    """Return the place that a row of the items has."""
    tier, place_class = TierOrder(row.tier_order), PlaceClass(row.place_class)
    return SortKey(tier, place_class, row.harm_order, utc(row.arrived_at), row.item_key)


def rank_of(connection: Connection, key: SortKey) -> int:
    """Return the place of a sort key among what is ranked, the first being 1."""
    values = (int(key.tier), int(key.place_class), key.negative_harm_rate, key.arrived_at, key.item_key)
    return 1 + int(connection.execute(_COUNT_BEFORE, dict(zip(_PLACE_NAMES, values, strict=True))).scalar_one())
