"""How small and how faint a bleed the shipped weights still flag, in phantoms; the largest they miss, as pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from inference.builtin.cards import PAGE
from inference.training.ich.phantoms import BLEED, UNSEEN_SEEDS, unseen_phantom
from inference.training.missed import Missed, draw_missed
from inference.volume import Volume

DIAMETERS_MM = (6.0, 8.0, 10.0, 12.0, 16.0, 20.0, 30.0)
DENSITIES_HU = (50.0, 60.0, 70.0)
_WINDOW_HU = (0.0, 80.0)


@dataclass(frozen=True, slots=True)
class SmallBleed:
    """
    A bleed at the place of the demo's, in a phantom of a seed that training did not have.

    Parameters
    ----------
    seed
        Of the phantom; its brain has 29 to 38 HU.
    diameter_mm, density_hu
        Of the bleed.
    """

    seed: int
    diameter_mm: float
    density_hu: float

    @property
    def name(self) -> str:
        """What its score and its picture are kept under."""
        return f"{self.diameter_mm:g}-mm-{self.density_hu:g}-hu-seed-{self.seed}"

    def volume(self) -> Volume:
        """Return the head that has it."""
        return unseen_phantom(self.seed, replace(BLEED, diameter_mm=self.diameter_mm, hu=self.density_hu))


SMALL_BLEEDS = tuple(SmallBleed(*each) for each in product(UNSEEN_SEEDS[:3], DIAMETERS_MM, DENSITIES_HU))


def scores_at(scores: Mapping[str, float], diameter_mm: float, density_hu: float) -> list[float]:
    """Return the scores of bleeds of one size and density, one for each seed."""
    return [
        scores[each.name] for each in SMALL_BLEEDS if (each.diameter_mm, each.density_hu) == (diameter_mm, density_hu)
    ]


def largest_missed(scores: Mapping[str, float], operating_point: float) -> list[SmallBleed]:
    """Return, for each density that has one, the largest bleed below the operating point; of equals the lowest."""
    missed = [each for each in SMALL_BLEEDS if scores[each.name] < operating_point]
    by_density = ([each for each in missed if each.density_hu == hu] for hu in DENSITIES_HU)
    return [max(some, key=lambda each: (each.diameter_mm, -scores[each.name])) for some in by_density if some]


def draw_largest_missed(bundle: Path, scores: Mapping[str, float], operating_point: float) -> None:
    """
    Draw the largest bleeds that were missed, beside the page of a bundle.

    Parameters
    ----------
    bundle
        Gets the pictures.
    scores
        By name of the bleed.
    operating_point
        Below it a bleed is missed.
    """
    found = largest_missed(scores, operating_point)
    missed = (Missed(each.name, each.volume(), BLEED.position_mm, each.diameter_mm) for each in found)
    draw_missed((bundle / PAGE).parent, missed, _WINDOW_HU)
