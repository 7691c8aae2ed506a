"""A shrunk chest is the same chest: lungs, masses and nodules where they were, at a part of their size."""

from __future__ import annotations

import numpy as np
import pytest

from inference.training.lung_nodule.placing import Chest, Known, with_nodules
from inference.training.lung_nodule.shrinking import PIXEL_MM, shrunk
from tests.unit.inference.chests import make_chest

MASS = (72.0, 0.0, 0.0)
NODULE = (-90.0, 20.0, 10.0)


@pytest.fixture(scope="module")
def chest() -> Chest:
    return Chest.of("made", make_chest(nodules=[(NODULE, 24.0)], seed=3), (Known(MASS, 30.0),))


@pytest.mark.parametrize("scale", [0.4, 0.5])
def test_lungs_masses_and_nodules_lie_where_they_lay(chest: Chest, scale: float) -> None:
    small = shrunk(chest, scale, np.random.default_rng(1))
    assert small.volume.spacing_mm[0] == pytest.approx(chest.volume.spacing_mm[0] * scale)
    assert max(small.volume.spacing_mm[1:]) <= PIXEL_MM or small.volume.spacing_mm[1] == pytest.approx(
        chest.volume.spacing_mm[1] * scale
    )
    assert small.lungs.volume_ml == pytest.approx(chest.lungs.volume_ml * scale**3, rel=0.1)
    (before,), (after,) = chest.known, small.known
    assert after.reach_mm == before.reach_mm * scale
    for place in (MASS, NODULE):
        share = np.divide(chest.volume.to_index(place), chest.volume.voxels_hu.shape)
        index = share * small.volume.voxels_hu.shape
        at = small.volume.to_patient_mm((index[0], index[1], index[2]))
        if place == MASS:
            assert np.linalg.norm(np.subtract(after.position_mm, at)) < 1.5
        else:
            a, b, c = (round(i) for i in small.volume.to_index(at))
            assert small.volume.voxels_hu[a - 1 : a + 2, b - 1 : b + 2, c - 1 : c + 2].mean() > -100


def test_small_nodules_find_a_place_in_its_lungs(chest: Chest) -> None:
    small = shrunk(chest, 0.45, np.random.default_rng(1))
    made = with_nodules(small, [4.0, 5.0, 6.0, 8.0], np.random.default_rng(2))
    assert len(made.nodules) == 4
    mask, grid = small.lungs.mask, small.lungs.grid
    for one in made.nodules:
        index = np.subtract(small.volume.to_index(one.position_mm), grid.start) / np.array(grid.step)
        a, b, c = (round(float(i)) for i in index)
        assert mask[a - 2 : a + 3, b - 2 : b + 3, c - 2 : c + 3].any()


def test_noise_is_that_of_the_generator(chest: Chest) -> None:
    first, again, other = (shrunk(chest, 0.4, np.random.default_rng(seed)).volume.voxels_hu for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
