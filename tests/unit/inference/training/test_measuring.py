from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from inference.training.ich.measuring import (
    Scored,
    auc,
    figures,
    sensitivity_at,
    stratified_auc,
    with_intervals,
)


def test_auc_counts_pairs_in_the_right_order_and_ties_by_half() -> None:
    scores, truth = np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, False, True, True])
    assert auc(scores, truth) == pytest.approx((1 + 0.5 + 1 + 1) / 4)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=40))
def test_auc_is_mann_whitneys_u_over_the_pairs(pairs: list[tuple[int, bool]]) -> None:
    scores, truth = np.array([float(s) for s, _ in pairs]), np.array([t for _, t in pairs])
    if truth.all() or not truth.any():
        assert np.isnan(auc(scores, truth))
        return
    u = stats.mannwhitneyu(scores[truth], scores[~truth]).statistic
    assert auc(scores, truth) == pytest.approx(u / (truth.sum() * (~truth).sum()))


def test_strata_that_explain_the_score_leave_nothing() -> None:
    """Scores that only say the stratum: in the right order over all pairs, a coin within each stratum."""
    strata = np.array([0, 0, 0, 1, 1, 1])
    truth = np.array([False, False, True, False, True, True])
    assert auc(strata.astype(float), truth) == pytest.approx((1 * 0.5 + 2 * 1 + 2 * 1 + 2 * 1 / 2 + 1) / 9, abs=0.2)
    assert stratified_auc(strata.astype(float), truth, strata) == 0.5


def test_stratified_auc_weighs_strata_by_their_pairs() -> None:
    scores, strata = np.array([1.0, 2.0, 5.0, 4.0, 3.0]), np.array([0, 0, 1, 1, 1])
    truth = np.array([False, True, False, True, True])
    assert stratified_auc(scores, truth, strata) == pytest.approx(1 / 3)  # 1 of 1 pair, and 0 of 2


def test_sensitivity_counts_positives_above_nine_of_ten_negatives() -> None:
    scores = np.array([*range(10), 8.5, 7.0, 9.5, 20.0], dtype=float)
    truth = np.array([False] * 10 + [True] * 4)
    assert sensitivity_at(0.9, scores, truth) == 0.75


def test_intervals_hold_the_estimate_and_come_from_whole_patients() -> None:
    rng = np.random.default_rng(3)
    scored = []
    for k in range(30):
        truth = np.zeros(12, np.bool_)
        truth[4:7] = k % 2 == 0
        scored.append(Scored(rng.normal(0, 1, 12) + 1.5 * truth, truth))
    found = with_intervals(scored, seed=1, n_resamples=60)
    assert found["slice_auc"].value == pytest.approx(figures(scored)["slice_auc"])
    for estimate in found.values():
        assert estimate.low <= estimate.value <= estimate.high
    assert found == with_intervals(scored, seed=1, n_resamples=60)
    same = with_intervals([scored[0], scored[1]], seed=1, n_resamples=20)["slice_auc"]
    assert same.low == same.high  # only the pair of both patients has positives and negatives
