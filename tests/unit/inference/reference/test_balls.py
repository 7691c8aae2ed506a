"""Dilation by a ball: a second implementation, and what its edges are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from inference.reference.balls import MAX_RADIUS_VOXELS, grown_by_ball


@given(seed=st.integers(0, 2**32 - 1), radius=st.floats(0, MAX_RADIUS_VOXELS), fill=st.sampled_from([0.0005, 0.01]))
@settings(max_examples=40, deadline=None)
def test_it_is_what_lies_within_the_radius_by_the_distance_transform(seed: int, radius: float, fill: float) -> None:
    mask = np.random.default_rng(seed).random((14, 25, 19)) < fill
    mask[7, 12, 9] = True  # the transform of a grid without a voxel to measure from says nothing

    assert np.array_equal(grown_by_ball(mask, radius), ndimage.distance_transform_edt(~mask) <= radius)


def test_the_radius_itself_lies_within() -> None:
    mask = np.zeros((11, 1, 1), dtype=np.bool_)
    mask[5] = True
    assert np.flatnonzero(grown_by_ball(mask, 3.0)).tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert np.flatnonzero(grown_by_ball(mask, np.nextafter(3.0, 0))).tolist() == [3, 4, 5, 6, 7]


def test_nothing_grows_to_nothing() -> None:
    assert not grown_by_ball(np.zeros((4, 5, 6), dtype=np.bool_), 5.0).any()


@pytest.mark.parametrize("radius", [-1.0, 11.5])
def test_a_ball_that_bytes_cannot_hold_is_refused(radius: float) -> None:
    with pytest.raises(ValueError, match="ball"):
        grown_by_ball(np.zeros((2, 2, 2), dtype=np.bool_), radius)
