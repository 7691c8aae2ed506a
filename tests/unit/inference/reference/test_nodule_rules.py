from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.reference.nodule_rules import Mark, Surroundings, score, strongest

FREE = Surroundings(air=1.0, wall=0.0, compactness=1.0, diameter_mm=12.0)
SHARE = st.floats(0, 1)


def test_a_perfect_ball_of_12_mm_scores_three_quarters() -> None:
    assert score(1.0, 1.0, FREE, 1.0) == pytest.approx(12 / 16)


def test_a_nodule_on_the_wall_loses_part_of_what_the_wall_covers() -> None:
    attached = replace(FREE, air=0.7, wall=0.3)
    assert score(1.0, 1.0, attached, 1.0) == pytest.approx(0.75 * (0.7 + 0.6 * 0.3))


def test_a_bump_of_the_wall_gets_no_credit_for_it() -> None:
    assert score(1.0, 1.0, replace(FREE, air=0.2, wall=0.8), 1.0) == pytest.approx(0.75 * 0.2)


def test_thick_slices_lower_the_score_of_small_things() -> None:
    assert score(1.0, 1.0, FREE, 5.0) == pytest.approx(12 / 18)


@given(SHARE, SHARE, SHARE, SHARE, st.floats(0, 60))
def test_score_is_a_share_and_each_merit_only_raises_it(
    strength: float, roundness: float, air: float, compactness: float, diameter: float
) -> None:
    around = Surroundings(air, 0.0, compactness, diameter)
    base = score(strength, roundness, around, 1.0)
    assert 0 <= base <= 1
    assert score(min(1, strength + 0.1), roundness, around, 1.0) >= base
    assert score(strength, min(1, roundness + 0.1), around, 1.0) >= base
    assert score(strength, roundness, replace(around, air=min(1, air + 0.1)), 1.0) >= base
    assert score(strength, roundness, replace(around, compactness=min(1, compactness + 0.1)), 1.0) >= base
    assert score(strength, roundness, replace(around, diameter_mm=diameter + 1), 1.0) >= base


def test_of_marks_on_one_thing_the_highest_stays() -> None:
    marks = [
        Mark((10.0, 10.0, 10.0), 10.0, 0.5),
        Mark((10.0, 10.0, 14.0), 6.0, 0.7),  # 4 mm away
        Mark((10.0, 10.0, 30.0), 6.0, 0.3),
        Mark((10.0, 10.0, 60.0), 6.0, 0.1),
    ]
    kept = strongest(marks, (1.0, 1.0, 1.0), at_most=10, from_score=0.2)
    assert [mark.score for mark in kept] == [0.7, 0.3]
    assert [mark.score for mark in strongest(marks, (1.0, 1.0, 1.0), at_most=1, from_score=0.0)] == [0.7]
