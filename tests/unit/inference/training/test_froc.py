"""The FROC of a case small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from inference.training.froc import MOST_MARKS, Placed, Scan, Spot, cpm, judge, limit_at, sensitivities, threshold_at

NODULES = (Spot((0.0, 0.0, 0.0), 5.0), Spot((40.0, 0.0, 0.0), 3.0))


def scan(nodules: list[float], wrong: list[float]) -> Scan:
    return Scan(np.array(nodules), np.array(wrong))


def test_a_mark_hits_within_the_radius_and_not_at_it() -> None:
    judged = judge([Placed((4.9, 0, 0), 0.9), Placed((43.0, 0, 0), 0.8)], NODULES)
    assert judged.nodules.tolist() == [0.9, -np.inf]
    assert judged.false_positives.tolist() == [0.8]


def test_of_two_marks_on_one_nodule_the_higher_counts_and_the_other_is_no_false_positive() -> None:
    judged = judge([Placed((1, 0, 0), 0.3), Placed((0, 1, 0), 0.6)], NODULES)
    assert judged.nodules.tolist() == [0.6, -np.inf]
    assert not len(judged.false_positives)


def test_a_mark_where_nothing_counts_is_neither_hit_nor_false_positive() -> None:
    judged = judge([Placed((100, 0, 0), 0.7), Placed((0, 90, 0), 0.5)], NODULES, [Spot((100.0, 5.0, 0.0), 10.0)])
    assert judged.false_positives.tolist() == [0.5]


def test_the_lowest_marks_beyond_a_hundred_do_not_count() -> None:
    many = [Placed((0.0, 500.0 + k, 0.0), 1.0 + k) for k in range(MOST_MARKS)]
    judged = judge([*many, Placed((0, 0, 0), 0.5)], NODULES)
    assert len(judged.false_positives) == MOST_MARKS
    assert judged.nodules[0] == -np.inf


def test_sensitivities_counted_by_hand() -> None:
    """Two scans, four nodules; false positives at 0.8, 0.6 and 0.4.

    At 1/8, 1/4 per scan none is allowed: above 0.8 lies one of four. At 1/2 one: above 0.6 two. At 1 two: above 0.4
    three. From 2 on all marks count: three, since one nodule has none.
    """
    scans = [scan([0.9, 0.7], [0.8, 0.4]), scan([0.5, -np.inf], [0.6])]
    assert sensitivities(scans).tolist() == [0.25, 0.25, 0.5, 0.75, 0.75, 0.75, 0.75]
    assert cpm(scans) == pytest.approx((0.25 * 2 + 0.5 + 0.75 * 4) / 7)


def test_a_tie_with_a_false_positive_is_not_above_it() -> None:
    assert sensitivities([scan([0.5], [0.5])], [0.5, 1.0]).tolist() == [0.0, 1.0]


def test_everything_right_is_one_and_nothing_found_is_zero() -> None:
    assert cpm([scan([0.9, 0.8], []), scan([0.7], [0.1])]) == 1.0
    assert cpm([scan([-np.inf], [0.9])]) == 0.0


def test_the_threshold_lies_between_the_last_that_is_allowed_and_the_next() -> None:
    scans = [scan([0.9], [0.8, 0.4]), scan([0.9], [0.6])]
    assert threshold_at(0.5, scans) == pytest.approx(0.7)
    assert threshold_at(1.0, scans) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="never exceed"):
        threshold_at(2.0, scans)


@pytest.mark.parametrize(
    ("rate", "wrong"),
    [(0.125, [[0.9], [0.5], [], []]), (0.5, [[0.9, 0.9], [0.9], [0.2], []]), (0.5, [[0.9], [0.7], [0.7], [0.1]])],
)
def test_what_reaches_a_threshold_keeps_the_rate_with_none_allowed_and_with_ties_too(
    rate: float, wrong: list[list[float]]
) -> None:
    scans = [scan([1.0], each) for each in wrong]
    threshold = threshold_at(rate, scans)

    assert sum(score >= threshold for each in wrong for score in each) <= rate * len(scans)
    assert threshold > limit_at(rate, scans)
