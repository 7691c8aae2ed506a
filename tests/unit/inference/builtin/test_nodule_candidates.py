"""Balls of any size and density are among the candidates, where they are; near ones of one size are one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference.builtin.nodule_candidates import MAX_CANDIDATES, Candidate, distinct, find_candidates
from inference.builtin.nodule_patches import CLOSE_MM, COARSE_MM, SIDE, Patches, Scales, at_all_scales, facts_of
from inference.reference.grids import Grid
from inference.reference.lungs import find_lungs
from inference.reference.nodule_rules import Surroundings, score
from inference.volume import Volume
from tests.unit.inference.chests import make_chest

FREE = ((-100.0, 30.0, 20.0), (-70.0, -60.0, 10.0), (90.0, 40.0, 0.0))
ATTACHED = ((-123.0, 0.0, 20.0), (110.0, 10.0, 70.0))


@pytest.mark.parametrize("hu", [30.0, -550.0])
@pytest.mark.parametrize(("places", "diameter"), [(FREE, 6.0), (FREE, 20.0), (ATTACHED, 14.0)], ids=str)
def test_balls_are_found_where_they_are(
    places: tuple[tuple[float, float, float], ...], diameter: float, hu: float
) -> None:
    volume = make_chest(nodules=[(place, diameter) for place in places], seed=2, nodule_hu=hu)
    lungs = find_lungs(volume)
    assert lungs is not None
    found = find_candidates(at_all_scales(volume, lungs).fine, lungs, volume.spacing_mm)
    assert 0 < len(found) <= MAX_CANDIDATES
    positions = np.array([volume.to_patient_mm(c.index) for c in found])
    for place in places:
        assert np.linalg.norm(positions - place, axis=1).min() < 0.4 * diameter


def candidate(z: float, radius_mm: float, strength: float) -> Candidate:
    return Candidate((z, 0.0, 0.0), radius_mm, strength, 0.5)


def test_of_neighbours_of_one_size_the_strongest_stays_and_other_sizes_stay_too() -> None:
    given = [candidate(0, 3.0, 0.5), candidate(1, 3.0, 0.9), candidate(1, 6.0, 0.4), candidate(9, 3.0, 0.3)]
    kept = distinct(given, (1.0, 1.0, 1.0))
    assert kept == [given[1], given[2], given[3]]
    assert distinct(given, (2.0, 1.0, 1.0))[:2] == [given[1], given[0]]
    assert distinct([], (1.0, 1.0, 1.0)) == []


def test_what_lies_around_a_ball_is_measured_as_the_reference_cad_does() -> None:
    volume = make_chest(nodules=[(FREE[0], 10.0)], seed=2, noise_hu=0)
    lungs = find_lungs(volume)
    assert lungs is not None
    found = find_candidates(at_all_scales(volume, lungs).fine, lungs, volume.spacing_mm)
    (ball, *_) = (c for c in found if np.linalg.norm(np.subtract(volume.to_patient_mm(c.index), FREE[0])) < 3)
    assert ball.around.air > 0.9
    assert ball.around.wall == 0
    assert ball.around.compactness > 0.8
    assert ball.around.diameter_mm == pytest.approx(10, rel=0.25)


def test_patches_hold_what_lies_around_a_place_at_all_scales() -> None:
    volume = make_chest(nodules=[((-100.0, 30.0, 20.0), 12.0)], seed=2, noise_hu=0)
    lungs = find_lungs(volume)
    assert lungs is not None
    close, near, far = Patches(at_all_scales(volume, lungs)).around(volume.to_index((-100.0, 30.0, 20.0)))
    assert close.shape == near.shape == far.shape == (SIDE, SIDE, SIDE)
    middle = slice(SIDE // 2 - 1, SIDE // 2 + 2)
    assert near[middle, middle, middle].min() > 180  # tissue
    assert close[middle, middle, middle].min() > 180
    assert close[0, SIDE // 2, SIDE // 2] < 60  # lung, 8 mm away
    assert near[0, SIDE // 2, SIDE // 2] < 60  # lung, 15 mm away
    assert far[:, :, 0].max() > 180  # the wall: 40 mm to the patient's right


def test_a_place_at_the_edge_has_a_whole_patch() -> None:
    values = np.full((12, 12, 12), -1000, np.float32)
    volume = Volume(values, (0.0, 0.0, 0.0), (0.0, 0.0, 1.5), (0.0, 1.5, 0.0), (1.5, 0.0, 0.0))
    grid = Grid(values, 1.5, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    patches = Patches(Scales(volume, grid, replace(grid, spacing_mm=COARSE_MM)))
    for index in ((0.0, 0.0, 0.0), (11.0, 11.0, 11.0), (-40.0, 90.0, 3.0)):
        assert patches.around(index).shape == (3, SIDE, SIDE, SIDE)
    assert patches.of([]).shape == (0, 3, SIDE, SIDE, SIDE)


@pytest.mark.parametrize("spacing_mm", [(0.5, 0.6, 0.6), (3.0, 0.7, 0.7), (8.0, 0.4, 0.9)])
def test_the_close_cube_lies_where_it_is_said_to_in_voxels_of_any_size(spacing_mm: tuple[float, float, float]) -> None:
    z, y, x = spacing_mm
    shape = [round(80 / step) for step in spacing_mm]
    along = np.arange(shape[2]) * x - 40.0
    values = np.broadcast_to(along * 10 - 300, shape).astype(np.float32)
    volume = Volume(values, (0.0, 0.0, 0.0), (0.0, 0.0, z), (0.0, y, 0.0), (x, 0.0, 0.0))
    grid = Grid(values, 1.5, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    close = Patches(Scales(volume, grid, grid)).around((shape[0] / 2, shape[1] / 2, 40.0 / x))[0]
    hu = close[3, 4].astype(float) / 255 * 1400 - 1000
    assert hu == pytest.approx((np.arange(SIDE) - SIDE / 2) * CLOSE_MM * 10 - 300, abs=4)  # half a level is 2.7


def test_facts_are_size_strength_roundness_and_what_the_rules_measure() -> None:
    around = Surroundings(0.9, 0.1, 0.8, 20.0)
    given = Candidate((0.0, 0.0, 0.0), 12.0, 0.5, 0.5, is_faint=True, around=around)
    expected = [1.0, 0.5, 0.5, 1.0, 0.9, 0.1, 0.8, 1.0, score(0.5, 0.5, around, 3.0)]
    assert facts_of([given], 3.0).tolist() == [pytest.approx(expected, abs=1e-6)]
    assert facts_of([], 3.0).shape == (0, 9)
