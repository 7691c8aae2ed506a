"""The mid-sagittal plane and the comparison with the mirror image, on masks whose plane is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inference.reference.brain import Brain
from inference.reference.symmetry import excess_over_mirror_hu, mid_sagittal_plane
from inference.volume import Volume


def make_brain(yaw_degrees: float = 0.0, *, is_dense_left: bool = False) -> Brain:
    z, y, x = np.meshgrid(*(np.arange(-n, n + 1) * 3.0 for n in (20, 32, 32)), indexing="ij")
    yaw = math.radians(yaw_degrees)
    side, depth = x * math.cos(yaw) + y * math.sin(yaw), y * math.cos(yaw) - x * math.sin(yaw)
    mask = (side / 62) ** 2 + (depth / 82) ** 2 + (z / 56) ** 2 < 1
    hu = np.full(mask.shape, 32, dtype=np.float32)
    if is_dense_left:
        hu[np.hypot(np.hypot(side - 30, depth), z) < 12] = 62
    volume = Volume(hu, (-96.0, -96.0, -60.0), (0.0, 0.0, 3.0), (0.0, 3.0, 0.0), (3.0, 0.0, 0.0))
    return Brain(volume, mask, np.full(mask.shape, 50, dtype=np.float32), 32.0)


@pytest.mark.parametrize("yaw_degrees", [-20.0, 0.0, 12.0])
def test_plane_follows_the_turn_of_the_head(yaw_degrees: float) -> None:
    plane = mid_sagittal_plane(make_brain(yaw_degrees))
    yaw = math.radians(yaw_degrees)
    assert plane.normal == pytest.approx([math.cos(yaw), math.sin(yaw), 0.0], abs=0.02)
    assert plane.point_mm == pytest.approx([0.0, 0.0, 0.0], abs=0.5)


def test_mirror_image_of_the_mirror_image_is_the_point() -> None:
    plane = mid_sagittal_plane(make_brain(7.0))
    points = np.array([[10.0, -3.0, 5.0], [0.0, 40.0, -20.0]])
    assert plane.mirror(plane.mirror(points)) == pytest.approx(points)


def test_dense_region_exceeds_its_mirror_by_the_difference() -> None:
    brain = make_brain(is_dense_left=True)
    region = np.argwhere(brain.volume.voxels_hu > 50).astype(np.float64)
    excess = excess_over_mirror_hu(brain, brain.volume.voxels_hu, mid_sagittal_plane(brain), region)
    assert excess == pytest.approx(30.0, abs=0.5)


def test_region_whose_mirror_lies_outside_the_brain_is_not_compared() -> None:
    brain = make_brain()
    outside = np.array([[20.0, 32.0, 63.0]])
    plane = mid_sagittal_plane(brain)
    assert excess_over_mirror_hu(brain, brain.volume.voxels_hu, plane, outside) is None
