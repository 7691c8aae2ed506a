from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from inference.model import LocatedFinding, Opinion
from inference.reference.lung import MAX_FINDINGS, ReferenceLung
from inference.reference.lungs import find_lungs
from inference.scope import OutOfScopeError, ScopeCode
from inference.volume import Volume
from tests.unit.inference.chests import make_chest
from voorrang.dicom.headers import Vector

Planted = tuple[tuple[Vector, float], ...]

FREE: Planted = (((-100, 30, 20), 6), ((-70, -60, 10), 8), ((90, 40, 0), 12), ((80, -50, 60), 20))
ATTACHED: Planted = (((-123, 0, 20), 10), ((126, 0, 0), 12), ((110, 10, 70), 20))
LARGE: Planted = (((-108, 0, 10), 60), ((70, 60, 10), 35), ((80, -40, 20), 40))  # the first at the wall


@cache
def opinion(nodules: Planted, seed: int) -> Opinion:
    return ReferenceLung().read(make_chest(nodules=nodules, seed=seed))


def nearest(said: Opinion, place: Vector) -> tuple[int, LocatedFinding, float]:
    apart = [np.linalg.norm(np.subtract(f.position_mm or (0, 0, 0), place)) for f in said.findings]
    i = int(np.argmin(apart))
    return i, said.findings[i], float(apart[i])


def test_vessels_and_noise_of_a_normal_chest_stay_below_the_operating_point() -> None:
    assert opinion((), 21).score < ReferenceLung.operating_point


@pytest.mark.parametrize(("nodules", "seed"), [(FREE, 2), (ATTACHED, 3), (LARGE, 5)], ids=str)
def test_planted_nodules_are_marked_above_the_operating_point_where_they_are(nodules: Planted, seed: int) -> None:
    said = opinion(nodules, seed)
    for place, diameter in nodules:
        rank, finding, apart = nearest(said, place)
        assert apart < max(4.0, 0.4 * diameter)
        assert finding.score >= ReferenceLung.operating_point
        assert rank < len(nodules) + 1
        assert finding.diameter_mm == pytest.approx(diameter, rel=0.3)
        assert finding.type == ("lung_mass" if (finding.diameter_mm or 0) > 30 else "lung_nodule")


def test_findings_are_few_sorted_and_apart_and_the_highest_gives_the_score() -> None:
    said = opinion(FREE, 2)
    scores = [finding.score for finding in said.findings]
    assert len(said.findings) <= MAX_FINDINGS
    assert scores == sorted(scores, reverse=True)
    assert said.score == scores[0]
    assert all(0 < score <= 1 for score in scores)


def test_a_nodule_is_found_in_a_stack_that_runs_head_to_feet() -> None:
    chest = make_chest(nodules=FREE, seed=2)
    last = chest.to_patient_mm((chest.voxels_hu.shape[0] - 1, 0, 0))
    flipped = Volume(
        np.ascontiguousarray(chest.voxels_hu[::-1]),
        last,
        (0.0, 0.0, -chest.slice_step_mm[2]),
        chest.row_step_mm,
        chest.column_step_mm,
    )
    said = ReferenceLung().read(flipped)
    for place, _ in FREE:
        assert nearest(said, place)[2] < 5


def test_lungs_of_the_chest_have_about_their_volume() -> None:
    lungs = find_lungs(make_chest(noise_hu=60))
    assert lungs is not None
    assert 4000 < lungs.volume_ml < 5200


@pytest.mark.parametrize("hu", [-1000.0, 0.0, 40.0])
def test_a_block_of_one_stuff_has_no_lungs(hu: float) -> None:
    block = Volume(np.full((60, 100, 100), hu, np.float32), (0, 0, 0), (0, 0, 3), (0, 3, 0), (3, 0, 0))
    with pytest.raises(OutOfScopeError) as caught:
        ReferenceLung().read(block)
    assert caught.value.reasons[0].code is ScopeCode.ANATOMY
