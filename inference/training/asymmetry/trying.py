"""What the rules say of each head: as it is, and with each of the dark regions that are put into it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from inference.builtin.asymmetry.aligning import head_frame
from inference.builtin.asymmetry.model import compared, score_of
from inference.builtin.asymmetry.regions import regions_of
from inference.reference.brain import Brain
from inference.training.asymmetry.heads import Head
from inference.training.asymmetry.inserting import Dark, darkened, draw_centres

DIAMETERS_MM = (20.0, 35.0, 50.0)
DROPS_HU = (2.0, 4.0, 6.0, 10.0)
PLACES = 2  # in each head
SEED = 20261129


@dataclass(frozen=True, slots=True)
class Said:
    """Of one dark region: its size and drop, the score, and whether side, and side and region, are the right ones."""

    diameter_mm: float
    drop_hu: float
    score: float
    is_side: bool
    is_region: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """Of one head: the score of the head as it is, and what was said of each dark region."""

    name: str
    score: float
    said: tuple[Said, ...]


def tried(heads: Iterable[Head], seed: int = SEED) -> Iterator[Tried]:
    """
    Put dark balls into heads and compare their halves.

    Parameters
    ----------
    heads
        Without a dark region.
    seed
        Of the places; those of a head do not depend on the other heads.

    Yields
    ------
    Tried
        Of each head: two places, each with every diameter and every drop. The frame is looked for anew each time; the
        brain's outline is not, since brain counts as such from -5 HU and no drop takes it below.
    """
    for head in heads:
        brain = head.brain
        frame = head_frame(brain)
        regions = regions_of(brain, frame)
        rng = np.random.default_rng([seed, *head.name.encode()])
        said = []
        for centre in draw_centres(brain, frame, regions, rng, PLACES):
            region = regions.of(frame.to_frame(np.array([centre]))[0])
            for diameter in DIAMETERS_MM:
                for drop in DROPS_HU:
                    dark = Dark(centre, region, diameter, drop)
                    said.append(_said(darkened(brain, frame, dark), dark))
        yield Tried(head.name, score_of(compared(brain)[0]), tuple(said))


def _said(brain: Brain, dark: Dark) -> Said:
    top = compared(brain)[0]
    is_side = top.region.side == dark.region.side
    return Said(dark.diameter_mm, dark.drop_hu, round(score_of(top), 4), is_side, top.region == dark.region)
