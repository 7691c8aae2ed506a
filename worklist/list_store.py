"""The list as it stands: items in the order of reading, and what changed since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from voorrang.clock import utc
from voorrang.database import Connection
from voorrang.events.records import Tier
from worklist.facts import to_read
from worklist.ordering.places import SortKey
from worklist.ordering.tiers import TierOrder
from worklist.orders import store as orders
from worklist.orders.facts import OrderFacts
from worklist.place_store import IN_ORDER, IS_LISTED, ORDER, place_of
from worklist.states import ItemState
from worklist.tables import item, study

# Made once: making a statement, and the key by which SQLAlchemy finds it compiled, costs more than running it.
_ITEM = select(item).where(item.c.item_key == bindparam("key"))
_LISTED = select(item).where(IS_LISTED).order_by(*ORDER).limit(bindparam("limit")).offset(bindparam("offset"))
_STUDY_COLUMNS = (
    "item_key",
    "study_instance_uid",
    "last_received_at",
    "modalities",
    "prior",
    "withdrawn",
    "done_by_hand",
)
_STUDIES = (
    select(*(study.c[n] for n in _STUDY_COLUMNS))
    .where(study.c.item_key.in_(bindparam("keys", expanding=True)))
    # The first says whose the item is: one that stands, and no prior, where there is one.
    .order_by(study.c.withdrawn != "", study.c.prior, study.c.first_received_at, study.c.study_instance_uid)
)
_CHANGED = (
    select(*(item.c[n] for n in ("item_key", "human_tier_order", "arrived_at", "expired", "listed_as", "change")))
    .where(item.c.change > bindparam("change"))
    .order_by(item.c.change)
)


@dataclass(frozen=True, slots=True)
class ListedItem:
    """
    An item as it stands on the list.

    Of the studies in `standing_uids` some image stands; those in `done_uids` were read before another one came, those
    in `awaited_uids` are to be read.
    """

    place: SortKey
    human_tier: Tier
    item_version: int
    state: ItemState
    provisional: bool
    ranked_at: datetime
    view: dict[str, Any]
    study_instance_uids: tuple[str, ...]
    standing_uids: tuple[str, ...]
    done_uids: tuple[str, ...]
    awaited_uids: tuple[str, ...]
    last_received_at: datetime
    modalities: tuple[str, ...]
    order: OrderFacts | None

    @property
    def item_key(self) -> str:
        """Key of the item."""
        return self.place.item_key


@dataclass(frozen=True, slots=True)
class ChangedItem:
    """What people, arrival and ageing say of an item that changed."""

    item_key: str
    human_tier: Tier
    arrived_at: datetime
    expired: bool
    is_ranked: bool
    change: int


def listed(connection: Connection, limit: int, offset: int) -> list[ListedItem]:
    """Return items in the order of reading; priors, which have no place, come last."""
    rows = connection.execute(_LISTED, {"limit": limit, "offset": offset}).all()
    studies = _studies_of(connection, [row.item_key for row in rows])
    placed = orders.orders(connection, [row.item_key for row in rows])
    return [_listed_item(row, studies[row.item_key], placed.get(row.item_key)) for row in rows]


def _listed_item(row: Any, studies: Sequence[Any], order: OrderFacts | None) -> ListedItem:
    return ListedItem(
        place_of(row),
        TierOrder(row.human_tier_order).tier,
        row.item_version,
        ItemState(row.state),
        row.provisional,
        utc(row.ranked_at),
        {"pathways": row.view},
        tuple([one.study_instance_uid for one in studies]),
        tuple([one.study_instance_uid for one in studies if not one.withdrawn]),
        tuple([one.study_instance_uid for one in studies if one.done_by_hand]),
        tuple([one.study_instance_uid for one in to_read(studies) if not one.done_by_hand]),
        utc(max([one.last_received_at for one in studies])),
        tuple(sorted({modality for one in studies for modality in one.modalities})),
        order,
    )


def place(connection: Connection, item_key: str) -> SortKey:
    """Return the place of an item that was ranked."""
    return place_of(connection.execute(_ITEM, {"key": item_key}).one())


def changed_since(connection: Connection, change: int) -> list[ChangedItem]:
    """Return what the order without AI needs of every item that changed after a change, whether it is listed or not."""
    rows = connection.execute(_CHANGED, {"change": change})
    return [
        ChangedItem(
            row.item_key,
            TierOrder(row.human_tier_order).tier,
            utc(row.arrived_at),
            row.expired,
            row.listed_as == IN_ORDER,
            row.change,
        )
        for row in rows
    ]


def _studies_of(connection: Connection, keys: Sequence[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {key: [] for key in keys}
    for row in connection.execute(_STUDIES, {"keys": keys}):
        found[row.item_key].append(row)
    return found
