"""
The order of the list. Pure.

Tiers come from people and are lexicographic; AI lifts an item at most to what was activated for its pathway, never
above a human's STAT, and lowers nothing. Inside a tier the expected harm of a minute's waiting, per minute of reading,
goes first; everything that no flag speaks for shares one baseline and goes by arrival. So taking a negative answer
away changes no place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from voorrang.events.records import Tier

BASELINE = 0.0


class TierOrder(IntEnum):
    """Tiers, the first read first."""

    STAT = 0
    URGENT = 1
    ROUTINE = 2

    @property
    def tier(self) -> Tier:
        """Return the tier's word."""
        words: dict[TierOrder, Tier] = {
            TierOrder.STAT: "stat",
            TierOrder.URGENT: "urgent",
            TierOrder.ROUTINE: "routine",
        }
        return words[self]


def tier_order(tier: Tier) -> TierOrder:
    """Return the place of a tier."""
    return TierOrder[tier.upper()]


@dataclass(frozen=True, slots=True)
class Lift:
    """
    What one flagged answer with influence on the rank asks for.

    Parameters
    ----------
    lift_to
        The highest tier that was activated.
    harm_per_minute
        Harm of one minute's waiting, as activated.
    reading_minutes
        Expected time of the reading, minutes.
    """

    lift_to: Tier
    harm_per_minute: float
    reading_minutes: float


@dataclass(frozen=True, slots=True, order=True)
class SortKey:
    """Place on the list: the smallest goes first."""

    tier: TierOrder
    negative_harm_rate: float
    arrived_at: datetime
    item_key: str


def sort_key(human_tier: Tier, lifts: Iterable[Lift], arrived_at: datetime, item_key: str) -> SortKey:
    """
    Return the place of an item.

    Parameters
    ----------
    human_tier
        What people set.
    lifts
        The flagged answers that may move it; empty for every other item, whatever its state.
    arrived_at
        When its first instance was received.
    item_key
        Breaks ties, so that the order is the same however it is computed.
    """
    tier = tier_order(human_tier)
    harm_rate = BASELINE
    for lift in lifts:
        # Never above a human's STAT: an AI item may join the tier below it at best.
        tier = min(tier, max(tier_order(lift.lift_to), TierOrder.URGENT))
        harm_rate = max(harm_rate, lift.harm_per_minute / lift.reading_minutes)
    return SortKey(tier, -harm_rate, arrived_at, item_key)


def sort_key_without_ai(human_tier: Tier, arrived_at: datetime, item_key: str) -> SortKey:
    """Return the place that an item would have without AI: tiers from people, then arrival."""
    return sort_key(human_tier, (), arrived_at, item_key)
