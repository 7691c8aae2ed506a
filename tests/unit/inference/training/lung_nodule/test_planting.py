"""Nodules that are put in have the size, the density and the surroundings that they are said to have."""

from __future__ import annotations

import numpy as np
import pytest

from inference.training.lung_nodule.placing import Chest, Known, with_nodules
from inference.training.lung_nodule.planting import Kind, Nodule, plant
from inference.volume import Volume
from tests.unit.inference.chests import make_chest

TISSUE = (20, 20, 20)


def lung(slice_mm: float = 2.0, tissue_hu: float = 40.0) -> Volume:
    """Air of the lung with a block of tissue in one corner and a bright plate for a vessel."""
    shape = (round(100 / slice_mm), 100, 100)
    voxels = np.full(shape, -850, np.float32)
    voxels[: shape[0] // 2, :40, :40] = tissue_hu
    voxels[:, 49:52] = 30
    return Volume(voxels, (0.0, 0.0, 0.0), (0.0, 0.0, slice_mm), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))


def planted(kind: Kind, diameter_mm: float, slice_mm: float = 2.0, seed: int = 3) -> tuple[Volume, Volume]:
    before, after = lung(slice_mm), lung(slice_mm)
    nodule = Nodule((75.0, 75.0, 60.0), diameter_mm, kind)
    plant(after, nodule, (round(20 / slice_mm), 20, 20), np.random.default_rng(seed))
    return before, after


@pytest.mark.parametrize("slice_mm", [1.0, 3.0, 8.0])
def test_a_solid_nodule_has_about_the_mass_of_its_ball_in_slices_of_any_thickness(slice_mm: float) -> None:
    sizes = []
    for seed in range(6):
        before, after = planted("solid", 14.0, slice_mm, seed)
        added = (after.voxels_hu - before.voxels_hu) / (after.voxels_hu.max() + 850)
        sizes.append((6 / np.pi * float(added.sum()) * slice_mm) ** (1 / 3))
    assert np.mean(sizes) == pytest.approx(14.0, rel=0.2)


def test_a_small_nodule_in_thick_slices_is_fainter_than_in_thin_ones() -> None:
    _, thin = planted("solid", 5.0, 1.0)
    _, thick = planted("solid", 5.0, 8.0)
    tops = [float(each.voxels_hu[:, 60:, 60:].max()) for each in (thin, thick)]
    assert tops[0] > -50
    assert tops[1] < -200


def test_ground_glass_is_denser_than_lung_and_thinner_than_tissue_and_vessels_stay() -> None:
    before, after = lung(), lung()
    plant(after, Nodule((75.0, 50.0, 60.0), 20.0, "ground_glass"), TISSUE, np.random.default_rng(1))
    inside = after.voxels_hu[30, 56, 75]
    assert -660 < inside < -370
    assert after.voxels_hu[30, 50, 75] == pytest.approx(before.voxels_hu[30, 50, 75], abs=120)


def test_a_part_solid_nodule_has_a_core() -> None:
    _, after = planted("part_solid", 20.0)
    assert after.voxels_hu[30, 75, 75] > -150
    values = after.voxels_hu[30, 60:90, 60:90]
    assert np.count_nonzero((values > -660) & (values < -370)) > 40


def test_wall_and_vessels_keep_their_values_under_a_solid_nodule() -> None:
    before, after = lung(), lung()
    plant(after, Nodule((38.0, 38.0, 30.0), 16.0, "solid"), TISSUE, np.random.default_rng(1))
    wall = np.s_[5:20, 5:36, 5:36]
    assert (after.voxels_hu[wall] == before.voxels_hu[wall]).all()
    assert (after.voxels_hu != before.voxels_hu).any()


def test_nodules_lie_in_the_lungs_apart_and_away_from_what_is_known_and_the_chest_is_not_changed() -> None:
    volume = make_chest(seed=3)
    kept = volume.voxels_hu.copy()
    known = Known((72.0, 0.0, 0.0), 40.0)
    chest = Chest.of("made", volume, (known,))
    made = with_nodules(chest, [6.0, 9.0, 12.0, 20.0, 25.0], np.random.default_rng(5))
    assert (chest.volume.voxels_hu == kept).all()
    assert len(made.nodules) == 5
    for k, one in enumerate(made.nodules):
        assert not known.holds(one.position_mm, one.diameter_mm / 2)
        for other in made.nodules[:k]:
            apart = np.linalg.norm(np.subtract(one.position_mm, other.position_mm))
            assert apart > (one.diameter_mm + other.diameter_mm) / 2
        at = tuple(round(i) for i in volume.to_index(one.position_mm))
        assert made.volume.voxels_hu[at] > -760


def test_the_same_seed_gives_the_same_nodules_and_another_gives_others() -> None:
    chest = Chest.of("made", make_chest(seed=3))
    first, again, other = (with_nodules(chest, [8.0, 10.0], np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.nodules == again.nodules
    assert (first.volume.voxels_hu == again.volume.voxels_hu).all()
    assert first.nodules != other.nodules
