"""Plain orders to compare ours with: arrival within tiers, and whatever is flagged first. Pure."""

from __future__ import annotations

from datetime import datetime

from voorrang.events.records import Tier
from worklist.ordering.places import BASELINE, PlaceClass, SortKey
from worklist.ordering.tiers import TierOrder, tier_order


def by_arrival(human_tier: Tier, arrived_at: datetime, item_key: str) -> SortKey:
    """Return the place without AI: tiers from people, then arrival."""
    return SortKey(tier_order(human_tier), PlaceClass.OTHER, -BASELINE, arrived_at, item_key)


def flag_first(human_tier: Tier, flagged: bool, arrived_at: datetime, item_key: str) -> SortKey:
    """Return the place where any flag goes before all but a human's STAT, the earliest first, without a cap."""
    tier = min(tier_order(human_tier), TierOrder.URGENT) if flagged else tier_order(human_tier)
    return SortKey(tier, PlaceClass.QUICK if flagged else PlaceClass.OTHER, -BASELINE, arrived_at, item_key)
