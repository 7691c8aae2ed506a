"""Tiers, which people set, and how long an exam of each may wait. Pure."""

from __future__ import annotations

from enum import IntEnum

from voorrang.events.records import Tier


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


def lifted(human_tier: Tier, lift_to: Tier) -> TierOrder:
    """Return the tier after a lift: never above a human's STAT, never below what people set."""
    return min(tier_order(human_tier), max(tier_order(lift_to), TierOrder.URGENT))
