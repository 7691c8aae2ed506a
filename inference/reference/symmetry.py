"""Left against right: the mid-sagittal plane of a brain, and how much denser a region is than its mirror."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference.reference.brain import Brain
from inference.volume import Volume, Voxels

Points = npt.NDArray[np.float64]

_MAX_TURN_DEGREES = 40.0
_MIN_MIRRORED_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Plane:
    """A plane in patient coordinates: points p with (p - point_mm) · normal = 0; normal has length 1."""

    point_mm: npt.NDArray[np.float64]
    normal: npt.NDArray[np.float64]

    def mirror(self, points_mm: Points) -> Points:
        """Return points of shape (n, 3), mm, reflected in the plane."""
        distance = (points_mm - self.point_mm) @ self.normal
        mirrored: Points = points_mm - 2 * distance[:, None] * self.normal
        return mirrored


def mid_sagittal_plane(brain: Brain) -> Plane:
    """
    Estimate the mid-sagittal plane from the shape of the brain alone.

    Parameters
    ----------
    brain
        With at least a few slices that hold brain.

    Returns
    -------
    Plane
        Its normal points to the patient's left.

    Notes
    -----
    The turn about the long axis is that of the shorter principal axis of the mask in the axial plane (the
    brain is longer than wide); the tilt to a shoulder follows from a line through the slices' centroids. A
    turn beyond 40 degrees is not believed, and the patient's own sagittal plane is used.
    """
    points = _points_mm(brain.volume, np.argwhere(brain.mask).astype(np.float64))
    centre = points.mean(axis=0)
    offset = points - centre
    lateral = _lateral_axis(offset[:, :2])
    side, height = offset[:, :2] @ lateral, offset[:, 2]
    lean = float(np.dot(side, height) / np.dot(height, height))
    normal = np.array([lateral[0], lateral[1], -lean])
    return Plane(centre, normal / np.linalg.norm(normal))


def excess_over_mirror_hu(brain: Brain, smooth_hu: Voxels, plane: Plane, region: Points) -> float | None:
    """
    Return how much denser a region is than its mirror image, mean HU.

    Parameters
    ----------
    brain
        The brain, with the volume that `smooth_hu` belongs to.
    smooth_hu
        Smoothed voxels, shape of the volume.
    plane
        The mid-sagittal plane.
    region
        Voxel indices (slice, row, column) of the region, shape (n, 3).

    Returns
    -------
    float or None
        None where less than half of the mirror image lies in the brain, so that nothing can be compared.
    """
    mirrored = _indices(brain.volume, plane.mirror(_points_mm(brain.volume, region)))
    inside = ndimage.map_coordinates(brain.mask.astype(np.float32), mirrored.T, order=1) > 0.5
    if inside.mean() < _MIN_MIRRORED_SHARE:
        return None
    there = ndimage.map_coordinates(smooth_hu, mirrored[inside].T, order=1)
    own = region.astype(np.intp)
    return float(smooth_hu[own[:, 0], own[:, 1], own[:, 2]].mean() - there.mean())


def _lateral_axis(offset_xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    _, axes = np.linalg.eigh(offset_xy.T @ offset_xy)
    shorter = axes[:, 0] * (1.0 if axes[0, 0] >= 0 else -1.0)  # eigenvalues ascend
    is_believed = shorter[0] >= np.cos(np.radians(_MAX_TURN_DEGREES))
    lateral: npt.NDArray[np.float64] = shorter if is_believed else np.array([1.0, 0.0])
    return lateral


def _steps(volume: Volume) -> npt.NDArray[np.float64]:
    return np.array([volume.slice_step_mm, volume.row_step_mm, volume.column_step_mm])


def _points_mm(volume: Volume, indices: Points) -> Points:
    points: Points = np.array(volume.origin_mm) + indices @ _steps(volume)
    return points


def _indices(volume: Volume, points_mm: Points) -> Points:
    indices: Points = (points_mm - np.array(volume.origin_mm)) @ np.linalg.inv(_steps(volume))
    return indices
