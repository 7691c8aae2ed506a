from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.builtin.head_slices import HEAD_SIDE, SIDE, Slices, as_channels, find_frames, lookup, upright

ROWS, COLUMNS = np.indices((256, 256)).astype(np.float64)


def make_head(turn_degrees: float = 0.0, centre: tuple[float, float] = (128.0, 120.0), *, rest: bool = False) -> Slices:
    """Skull of 90 HU around 35 HU, 140 by 112 pixels; a dense spot towards the forehead, and a head rest."""
    turn = np.radians(turn_degrees)
    down, right = ROWS - centre[0], COLUMNS - centre[1]
    along = np.cos(turn) * down + np.sin(turn) * right
    across = -np.sin(turn) * down + np.cos(turn) * right
    depth = (along / 70) ** 2 + (across / 56) ** 2
    hu = np.where(depth < 1, np.where(depth < 0.8, 35.0, 90.0), -20.0)
    hu[np.hypot(along + 40, across) < 6] = 70.0
    if rest:
        hu[(ROWS > 205) & (ROWS < 209)] = 100.0
    return hu.astype(np.float32)[None].repeat(3, axis=0)


@pytest.mark.parametrize("turn", [-25.0, -8.0, 0.0, 12.0, 30.0])
def test_a_turned_head_comes_out_upright_in_the_middle_and_of_one_size(turn: float) -> None:
    frames = find_frames(make_head(turn, centre=(120.0, 140.0)))
    assert np.degrees(frames.turn) == pytest.approx(turn, abs=1.0)
    hu, mask = upright(frames, 1)
    rows, columns = np.nonzero(mask)
    assert (rows.mean(), columns.mean()) == pytest.approx((SIDE / 2 - 0.5, SIDE / 2 - 0.5), abs=1.0)
    assert np.sqrt(np.count_nonzero(mask)) == pytest.approx(HEAD_SIDE, rel=0.03)
    rows, columns = np.nonzero(hu[30:100, 80:144] > 60)
    assert (rows.mean() + 30, columns.mean() + 80) == pytest.approx((111.5 - 40 * 1.49, 111.5), abs=2.5)


def test_a_turn_beyond_forty_degrees_is_not_believed() -> None:
    assert find_frames(make_head(60.0)).turn == 0.0


def test_a_head_rest_is_not_the_head() -> None:
    with_rest, without = find_frames(make_head(rest=True)), find_frames(make_head())
    assert with_rest.areas[0] == pytest.approx(without.areas[0], rel=0.01)


def test_a_slice_of_air_has_no_head_and_spoils_no_other() -> None:
    slices = make_head()
    slices[0] = -20.0
    frames = find_frames(slices)
    assert frames.areas[0] == 0
    assert np.isfinite(as_channels(*upright(frames, 0))).all()
    assert frames.areas[1] == find_frames(make_head()).areas[1]


@settings(max_examples=20, deadline=None)
@given(st.floats(-8, 8))
def test_channels_do_not_change_when_all_tissue_is_a_little_denser(shift: float) -> None:
    hu, mask = upright(find_frames(make_head()), 0)
    assert np.abs(as_channels(hu, mask) - as_channels(hu + np.float32(shift), mask)).max() < 1e-4


def test_channels_are_the_three_contrasts_around_the_median() -> None:
    hu, mask = np.full((SIDE, SIDE), 30.0, np.float32), np.ones((SIDE, SIDE), np.bool_)
    hu[100, 100] = 45.0
    wide, middle, narrow = as_channels(hu, mask)
    assert (wide[0, 0], middle[0, 0], narrow[0, 0]) == pytest.approx((-0.2, -0.4, -2 / 3), abs=1e-6)
    assert (wide[100, 100], middle[100, 100]) == pytest.approx((0.1, 0.2), abs=1e-6)
    assert -2 / 3 < narrow[100, 100] < 1 / 3


def test_pixels_of_the_network_are_looked_up_where_lookup_says() -> None:
    frames = find_frames(make_head(20.0))
    matrix, offset = lookup(frames, 0)
    hu, _ = upright(frames, 0)
    for row, column in ((40, 111), (111, 60), (150, 140)):
        r, c = np.rint(matrix @ [row, column] + offset).astype(int)
        assert abs(frames.window[0][r - 1 : r + 2, c - 1 : c + 2] - hu[row, column]).min() < 1.0


def test_tall_pixels_are_made_square() -> None:
    squeezed = make_head()[:, ::2]
    frames = find_frames(squeezed, pixel_ratio=2.0)
    assert frames.areas[0] == pytest.approx(find_frames(make_head()).areas[0], rel=0.02)
    assert frames.reduction == (0.5, 1.0)
