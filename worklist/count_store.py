"""How many items stand where, how many wait beyond their cap, and when the order was last decided."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from voorrang.clock import utc
from voorrang.database import Connection
from worklist.ordering.tiers import TierOrder
from worklist.place_store import IS_LISTED, IS_RANKED, WITHOUT_PLACE
from worklist.states import ItemState
from worklist.tables import item

# Made once: making a statement, and the key by which SQLAlchemy finds it compiled, costs more than running it.
_EXPIRED = (
    select(item.c.human_tier_order, func.count()).where(IS_RANKED, item.c.expired).group_by(item.c.human_tier_order)
)
_LAST_RANKED_AT = select(func.max(item.c.ranked_at))
_COUNT_WITHOUT_PLACE = select(func.count()).select_from(item).where(item.c.listed_as == WITHOUT_PLACE)


def counts(connection: Connection) -> list[tuple[TierOrder, ItemState, int]]:
    """Return how many items stand in each tier and state."""
    rows = connection.execute(
        select(item.c.tier_order, item.c.state, func.count()).where(IS_LISTED).group_by(item.c.tier_order, item.c.state)
    )
    return [(TierOrder(tier), ItemState(state), int(n)) for tier, state, n in rows]


def expired(connection: Connection) -> dict[TierOrder, int]:
    """Return how many items of each tier of people wait beyond their cap."""
    rows = connection.execute(_EXPIRED)
    return {TierOrder(tier): int(n) for tier, n in rows}


def last_ranked_at(connection: Connection) -> datetime | None:
    """Return when the order was last decided anew."""
    at = connection.execute(_LAST_RANKED_AT).scalar_one()
    return utc(at) if at is not None else None


def without_place(connection: Connection) -> int:
    """Return how many items the list has that are not ranked: priors, which are few."""
    return int(connection.execute(_COUNT_WITHOUT_PLACE).scalar_one())
