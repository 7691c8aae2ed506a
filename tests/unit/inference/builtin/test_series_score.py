from __future__ import annotations

import numpy as np
import pytest

from inference.builtin.series_score import probability, series_logit, smoothed_along_z


def test_smoothing_is_a_quarter_of_each_neighbour_and_ends_count_themselves() -> None:
    assert smoothed_along_z(np.array([0.0, 4.0, 0.0, 8.0])) == pytest.approx([1.0, 2.0, 3.0, 6.0])


def test_one_slice_is_its_own_neighbour() -> None:
    assert smoothed_along_z(np.array([3.0])) == pytest.approx([3.0])


def test_a_series_has_the_mean_of_its_highest() -> None:
    logits = np.array([-5.0, 3.0, 1.0, 2.0, 5.0, 4.0, -9.0])
    assert series_logit(logits, 5) == pytest.approx(3.0)
    assert series_logit(logits, 3) == pytest.approx(4.0)
    assert series_logit(np.array([4.0, 2.0]), 5) == pytest.approx(3.0)


def test_probability_is_the_logistic_function() -> None:
    assert probability(0.0) == pytest.approx(0.5)
    assert probability(np.log(3.0)) == pytest.approx(0.75)
