"""Block averages keep the mean and the place; morphology fills and cuts within slices."""

from __future__ import annotations

import numpy as np
import pytest

from inference.reference.morphology import filled, largest_piece, pieces_of_at_least, square
from inference.reference.reduction import cropped, reduced, voxel_ml
from inference.volume import Volume


def make_volume() -> Volume:
    voxels = np.arange(7 * 8 * 8, dtype=np.float32).reshape(7, 8, 8)
    return Volume(voxels, (10.0, 20.0, 30.0), (0.0, 0.0, 1.0), (0.0, 0.5, 0.0), (0.5, 0.0, 0.0))


def test_reduced_volume_lies_where_its_blocks_lie() -> None:
    small = reduced(make_volume(), (3.0, 1.0, 1.0))
    assert small.voxels_hu.shape == (2, 4, 4)
    assert small.spacing_mm == (3.0, 1.0, 1.0)
    assert small.origin_mm == (10.25, 20.25, 31.0)
    assert small.voxels_hu[0, 0, 0] == pytest.approx(make_volume().voxels_hu[:3, :2, :2].mean())
    assert voxel_ml(small) == pytest.approx(0.003)


def test_volume_with_large_voxels_stays_as_it_is() -> None:
    volume = make_volume()
    assert reduced(volume, (1.0, 0.5, 0.5)) is volume


def test_cropped_volume_lies_where_it_lay() -> None:
    part = cropped(make_volume(), (slice(2, 5), slice(1, 4), slice(4, 8)))
    assert part.voxels_hu.shape == (3, 3, 4)
    assert part.origin_mm == (12.0, 20.5, 32.0)
    assert part.voxels_hu[0, 0, 0] == make_volume().voxels_hu[2, 1, 4]


def test_tilt_does_not_change_the_volume_of_a_voxel() -> None:
    volume = make_volume()
    tilted = Volume(volume.voxels_hu, volume.origin_mm, (0.0, 0.4, 1.0), (0.0, 0.5, 0.0), (0.5, 0.0, 0.0))
    assert voxel_ml(tilted) == pytest.approx(voxel_ml(volume))


def test_only_a_closed_ring_is_filled() -> None:
    ring = np.zeros((2, 7, 7), dtype=np.bool_)
    ring[:, 1:6, 1:6] = True
    ring[:, 2:5, 2:5] = False
    ring[1, 1, 3] = False
    assert filled(ring)[0, 3, 3]
    assert not filled(ring)[1, 3, 3]


def test_pieces_are_kept_by_size() -> None:
    mask = np.zeros((1, 5, 9), dtype=np.bool_)
    mask[0, 1, 1:3] = True
    mask[0, 3, 4:8] = True
    assert np.count_nonzero(largest_piece(mask)) == 4
    assert np.count_nonzero(pieces_of_at_least(mask, 2)) == 6
    assert np.count_nonzero(pieces_of_at_least(mask, 3)) == 4
    assert not largest_piece(np.zeros_like(mask)).any()


def test_square_is_odd_and_reaches_its_radius() -> None:
    assert square(6.0, 1.0) == 13
    assert square(0.1, 1.0) == 1
