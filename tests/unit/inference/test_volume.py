from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.volume import Volume

# Slices of 2 x 3 pixels of 0.5 mm between rows and 2 mm between columns, 4 mm apart, each 1 mm further along the rows.
SHEARED = Volume(np.zeros((4, 2, 3), np.float32), (10.0, 20.0, 30.0), (0.0, 1.0, 4.0), (0.0, 0.5, 0.0), (2.0, 0.0, 0.0))


def test_an_index_of_a_sheared_volume_is_found_again_by_hand() -> None:
    assert SHEARED.to_index((14.0, 22.5, 38.0)) == pytest.approx((2.0, 1.0, 2.0))  # 20 + 2 x 1 + 1 x 0.5


@given(st.tuples(*[st.floats(-50, 50)] * 3))
def test_indices_come_back(index: tuple[float, float, float]) -> None:
    assert SHEARED.to_index(SHEARED.to_patient_mm(index)) == pytest.approx(index, abs=1e-9)


def test_a_box_around_a_ball_stands_at_right_angles_to_the_slices_though_they_are_sheared() -> None:
    low, high = SHEARED.box_around((1.0, 2.0, 3.0), 6.0)
    assert sorted((low, high)) == [pytest.approx((-2.0, -1.0, 0.0)), pytest.approx((4.0, 5.0, 6.0))]


def test_a_box_of_one_voxel_goes_from_edge_to_edge() -> None:
    corners = SHEARED.box_of(np.array([[1.0, 1.0, 2.0]]))  # its middle is (14, 21.5, 34)
    assert sorted(corners) == [pytest.approx((13.0, 21.25, 32.0)), pytest.approx((15.0, 21.75, 36.0))]


def test_a_box_of_voxels_in_sheared_slices_holds_them_where_they_lie_in_the_patient() -> None:
    corners = SHEARED.box_of(np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]]))  # one above the other, and 3 mm further
    assert sorted(corners) == [pytest.approx((9.0, 19.75, 28.0)), pytest.approx((11.0, 23.25, 44.0))]
