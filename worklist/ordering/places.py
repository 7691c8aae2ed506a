"""
The place of an item. Pure.

A place is (tier, class, harm avoided per minute of reading, arrival, key), the smallest first, and depends on nothing
but the item, its lifts and whether it has expired: so it can be stored and indexed, and the order never depends on
how it was computed.

References
----------
Van Mieghem (1995), Dynamic scheduling with convex delay costs: the generalized c-mu rule, Ann Appl Probab 5:809-833.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from voorrang.events.records import Tier
from worklist.ordering.tiers import TierOrder, lifted, tier_order

BASELINE = 0.0
# Harm per minute of reading of a flag of which nothing was counted, or nothing right: before what nothing speaks for,
# after every flag that was counted.
FLAGGED_AT_LEAST = 1e-12
QUICK_MINUTES = 60.0


class PlaceClass(IntEnum):
    """Inside a tier: what must be read within the hour, then what waited too long, then the rest."""

    QUICK = 0
    EXPIRED = 1
    OTHER = 2


@dataclass(frozen=True, slots=True)
class Lift:
    """
    What one flagged answer with influence on the rank asks for.

    Parameters
    ----------
    lift_to
        The highest tier that was activated.
    harm_per_minute
        Harm of one minute's waiting if the finding is there, as activated.
    reading_minutes
        Expected time of the reading, minutes.
    probability
        That the finding is there, calibrated at this hospital, 0 to 1; 0 without a calibration: see ADR 13.
    target_minutes
        Within which such an exam is to be read, as activated; None where that was not written down.
    """

    lift_to: Tier
    harm_per_minute: float
    reading_minutes: float
    probability: float = 0.0
    target_minutes: float | None = None

    @property
    def harm_rate(self) -> float:
        """Expected harm avoided per minute of reading."""
        return max(FLAGGED_AT_LEAST, self.probability * self.harm_per_minute / self.reading_minutes)

    @property
    def is_quick(self) -> bool:
        """Whether it is to be read within the hour."""
        return self.target_minutes is not None and self.target_minutes <= QUICK_MINUTES


@dataclass(frozen=True, slots=True, order=True)
class SortKey:
    """Place on the list: the smallest goes first."""

    tier: TierOrder
    place_class: PlaceClass
    negative_harm_rate: float
    arrived_at: datetime
    item_key: str


def sort_key(
    human_tier: Tier, lifts: Iterable[Lift], arrived_at: datetime, item_key: str, *, expired: bool = False
) -> SortKey:
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
    expired
        Whether it has waited beyond its cap.

    Notes
    -----
    A human's STAT is wanted within the hour: no expired item passes it. Expired items go by arrival alone. An item
    of the class QUICK keeps it when it expires, and its harm with it: expiring lowers nothing.
    """
    flags = tuple(lifts)
    tier = min((lifted(human_tier, flag.lift_to) for flag in flags), default=tier_order(human_tier))
    quick = tier is TierOrder.STAT or any(flag.is_quick for flag in flags)
    if expired and not quick:
        return SortKey(tier, PlaceClass.EXPIRED, -BASELINE, arrived_at, item_key)
    harm_rate = max((flag.harm_rate for flag in flags), default=BASELINE)
    return SortKey(tier, PlaceClass.QUICK if quick else PlaceClass.OTHER, -harm_rate, arrived_at, item_key)
