"""Balls of any size and density are among the candidates, where they are; near ones of one size are one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference.builtin.nodule_candidates import MAX_CANDIDATES, Candidate, distinct, find_candidates
from inference.builtin.nodule_patches import COARSE_MM, SIDE, Patches, at_two_scales, facts_of
from inference.reference.grids import Grid
from inference.reference.lungs import find_lungs
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
    found = find_candidates(at_two_scales(volume, lungs).fine, lungs, volume.spacing_mm)
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


def test_patches_hold_what_lies_around_a_place_at_both_scales() -> None:
    volume = make_chest(nodules=[((-100.0, 30.0, 20.0), 12.0)], seed=2, noise_hu=0)
    lungs = find_lungs(volume)
    assert lungs is not None
    near, far = Patches(at_two_scales(volume, lungs)).around(volume.to_index((-100.0, 30.0, 20.0)))
    assert near.shape == far.shape == (SIDE, SIDE, SIDE)
    middle = slice(SIDE // 2 - 1, SIDE // 2 + 2)
    assert near[middle, middle, middle].min() > 180  # tissue
    assert near[0, SIDE // 2, SIDE // 2] < 60  # lung, 15 mm away
    assert far[:, :, 0].max() > 180  # the wall: 40 mm to the patient's right


def test_a_place_at_the_edge_has_a_whole_patch() -> None:
    values = np.full((12, 12, 12), -1000, np.float32)
    grid = Grid(values, 1.5, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    from inference.builtin.nodule_patches import Scales

    patches = Patches(Scales(grid, replace(grid, spacing_mm=COARSE_MM)))
    for index in ((0.0, 0.0, 0.0), (11.0, 11.0, 11.0), (-40.0, 90.0, 3.0)):
        assert patches.around(index).shape == (2, SIDE, SIDE, SIDE)
    assert patches.of([]).shape == (0, 2, SIDE, SIDE, SIDE)


def test_facts_are_size_strength_and_roundness() -> None:
    assert facts_of([candidate(0, 12.0, 0.5)]).tolist() == [[1.0, 0.5, 0.5]]
    assert facts_of([]).shape == (0, 3)
