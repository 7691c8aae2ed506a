"""Dark regions that are put in: where they are, how dark, and what is made of the answers."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from inference.builtin.asymmetry.aligning import frame_of
from inference.builtin.asymmetry.regions import Regions, regions_of
from inference.reference.brain import Brain
from inference.training.asymmetry.inserting import Dark, darkened, draw_centres
from inference.training.asymmetry.measuring import figures
from inference.training.asymmetry.trying import DIAMETERS_MM, DROPS_HU, Said, Tried
from inference.volume import Volume

FRAME = frame_of(np.zeros(3), np.array([1.0, 0.0, 0.0]))


@cache
def make_brain() -> Brain:
    z, y, x = np.meshgrid(*(np.arange(-n, n + 1) * 3.0 for n in (20, 32, 32)), indexing="ij")
    mask = (x / 62) ** 2 + (y / 82) ** 2 + (z / 56) ** 2 < 1
    hu = np.where(mask, 32, 1000).astype(np.float32)
    volume = Volume(hu, (-96.0, -96.0, -60.0), (0.0, 0.0, 3.0), (0.0, 3.0, 0.0), (3.0, 0.0, 0.0))
    return Brain(volume, mask, np.full(mask.shape, 50, dtype=np.float32), 32.0)


def make_regions() -> Regions:
    return regions_of(make_brain(), FRAME)


def make_dark(x: float, diameter_mm: float = 30.0, drop_hu: float = 6.0) -> Dark:
    return Dark((x, 0.0, 10.0), make_regions().of(np.array([x, 0.0, 10.0])), diameter_mm, drop_hu)


def test_a_ball_is_as_dark_and_as_large_as_asked() -> None:
    brain = make_brain()
    change = brain.volume.voxels_hu - darkened(brain, FRAME, make_dark(30.0)).volume.voxels_hu
    assert change.max() == pytest.approx(6.0)
    assert change.min() == 0
    assert change.sum() / 6 * 27 == pytest.approx(np.pi / 6 * 30**3, rel=0.05)


def test_a_ball_ends_at_the_midline_and_at_the_skull() -> None:
    brain = make_brain()
    changed = brain.volume.voxels_hu != darkened(brain, FRAME, make_dark(14.0, 120.0)).volume.voxels_hu
    x = np.argwhere(changed)[:, 2] * 3.0 - 96
    assert x.min() > 0
    assert not (changed & ~brain.mask).any()


def test_centres_lie_in_the_brain_off_the_midline_within_regions() -> None:
    centres = np.array(draw_centres(make_brain(), FRAME, make_regions(), np.random.default_rng(1), 50))
    assert np.abs(centres[:, 0]).min() > 14
    assert make_regions().holds(centres).all()
    assert {True, False} == set(centres[:, 0] > 0)


def make_tried(name: str, own: float, score: float, *, is_right: bool = True) -> Tried:
    said = tuple(Said(d, h, score, is_right, is_right) for d in DIAMETERS_MM for h in DROPS_HU)
    return Tried(name, own, said)


def test_figures_are_those_of_the_heads() -> None:
    heads = [make_tried("a", 0.1, 0.6), make_tried("b", 0.2, 0.15, is_right=False)]
    found = figures(heads, seed=1, n_resamples=50)
    assert (found["heads"], found["flagged_as_they_are"]) == (2, 0)
    cell = found["by_size_and_drop"]["35 mm, 6 HU"]
    # 0.6 lies above both; 0.15 above 0.1 and below 0.2
    assert cell["auc"]["value"] == pytest.approx(0.75)
    assert cell["right_side"]["value"] == cell["right_region"]["value"] == cell["flagged"]["value"] == 0.5
    assert (cell["flagged"]["low"], cell["flagged"]["high"]) == (0.0, 1.0)
