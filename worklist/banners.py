"""What readers must know about the order as a whole: which models do not move it, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from voorrang.pathways.pathway import Pathway
from voorrang.register import Activation, standing_of
from worklist.ordering.tiers import TierOrder


def banners(
    pathways: Iterable[Pathway], activations: Sequence[Activation], calibrations: Collection[str] = ()
) -> list[str]:
    """Return a line for each model of a pathway that does not move the order."""
    standings = [
        standing_of(activations, pathway, use.name, calibrations) for pathway in pathways for use in pathway.models
    ]
    return list(dict.fromkeys(standing.banner for standing in standings if standing.banner is not None))


def overload_banners(expired: Mapping[TierOrder, int]) -> list[str]:
    """Return a line for each tier with exams that wait beyond their cap: the order cannot make up for it."""
    return [
        f"{n} {tier.tier} {'exam waits' if n == 1 else 'exams wait'} beyond the cap of the tier: "
        "more work than the readers can do"
        for tier, n in sorted(expired.items())
        if n
    ]
