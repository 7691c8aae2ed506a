"""What readers must know about the order as a whole: which models do not move it, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from voorrang.pathways.pathway import Pathway
from voorrang.register import Activation, standing_of


def banners(pathways: Iterable[Pathway], activations: Sequence[Activation]) -> list[str]:
    """Return a line for each model of a pathway that does not move the order."""
    standings = [standing_of(activations, pathway, use.name) for pathway in pathways for use in pathway.models]
    return list(dict.fromkeys(standing.banner for standing in standings if standing.banner is not None))
