"""A model that costs nothing, for what is spent around a model: it is given the volume, and answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from inference.model import Model, Opinion
from inference.volume import Volume
from voorrang.pathways.criteria import SeriesCriteria

LOADER = f"{__name__}:load"
SCOPE = SeriesCriteria(region="chest")


@dataclass(frozen=True, slots=True)
class Costless:
    """Reads chests at their own spacing; the score is made of one voxel, so that it was really given them."""

    model_id: str
    version: str = "1"
    weights_digest: str = "0" * 64
    operating_point: float = 0.5
    scope: SeriesCriteria = SCOPE

    def read(self, volume: Volume) -> Opinion:
        """Answer."""
        return Opinion(float(volume.voxels_hu[0, 0, 0] < 0), ())


def load(names: Iterable[str], _: Path | None) -> dict[str, Model]:
    """Make one for each name."""
    return {name: Costless(name) for name in names}
