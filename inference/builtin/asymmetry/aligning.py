"""Where left meets right: the mid-sagittal frame of a brain, from its shape and its likeness to its mirror image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference.reference.brain import Brain
from inference.reference.symmetry import mid_sagittal_plane
from inference.volume import Volume, Voxels

Matrix = npt.NDArray[np.float64]

_BLUR_MM = 3.0
_IMAGE_HU = (0.0, 60.0)
_OUTSIDE_HU = -40.0
_LARGEST_COST_HU = 40.0  # one place counts no more than this, so that a lesion does not turn the frame
_SPACING_MM = 5.0
_MARGIN_MM = 8.0  # about the brain, in which likeness is looked at
_REACH_MM = (80.0, 104.0, 100.0)  # to the left, to back and front, up and down
_STEPS = (4.0, 2.0, 1.0, 0.5, 0.25)  # degrees and mm
_MOST_TRIES = 12  # at each step


@dataclass(frozen=True, slots=True)
class HeadFrame:
    """
    A right-handed frame whose first plane is the mid-sagittal one.

    Parameters
    ----------
    point_mm
        A point of the plane, patient coordinates (LPS).
    axes
        Rows: unit vectors to the patient's left, back and up.
    """

    point_mm: Matrix
    axes: Matrix

    def to_patient(self, places_mm: Matrix) -> Matrix:
        """Return patient positions (n, 3), mm LPS, of places (n, 3): mm to the left, back and up."""
        return np.asarray(self.point_mm + places_mm @ self.axes, dtype=np.float64)

    def to_frame(self, positions_mm: Matrix) -> Matrix:
        """Return mm to the left, back and up, (n, 3), of patient positions (n, 3)."""
        return np.asarray((positions_mm - self.point_mm) @ self.axes.T, dtype=np.float64)

    def moved(self, yaw_degrees: float, lean_degrees: float, shift_mm: float) -> HeadFrame:
        """Return the frame turned about its upward axis, then about its backward one, and shifted to the left."""
        yaw, lean = np.radians([yaw_degrees, lean_degrees])
        left, back, up = self.axes
        left = np.cos(yaw) * left + np.sin(yaw) * back
        left = np.cos(lean) * left + np.sin(lean) * up
        return frame_of(self.point_mm + shift_mm * self.axes[0], left)


def frame_of(point_mm: Matrix, left: Matrix) -> HeadFrame:
    """Return the frame of a plane: its normal to the left, up as near to the patient's as may be."""
    left = left / np.linalg.norm(left)
    up = np.array([0.0, 0.0, 1.0]) - left[2] * left
    up = up / np.linalg.norm(up)
    return HeadFrame(np.asarray(point_mm, dtype=np.float64), np.stack([left, np.cross(up, left), up]))


def head_frame(brain: Brain) -> HeadFrame:
    """
    Find the mid-sagittal frame of a brain.

    Parameters
    ----------
    brain
        The brain, turned and tilted by what a head rest allows.

    Returns
    -------
    HeadFrame
        That of the mask's shape first; then turned, leaned and shifted, to a quarter of a degree or mm, until brain
        and surroundings are most like their mirror image. Steps to either side are tried together and the better one
        is taken, so that a mirrored head has the mirrored frame.

    References
    ----------
    Ardekani et al., IEEE Trans Med Imaging 1997;16:947-52: the plane of greatest likeness of both halves.
    """
    plane = mid_sagittal_plane(brain)
    start = frame_of(plane.point_mm, plane.normal)
    image = _image(brain)
    places = _half_grid(brain, start)
    moved = np.zeros(3)
    least = _unlikeness(brain.volume, image, start, places)
    for step in _STEPS:
        for _ in range(_MOST_TRIES):
            tries = [moved + sign * step * np.eye(3)[k] for k in range(3) for sign in (-1, 1)]
            costs = [_unlikeness(brain.volume, image, start.moved(*each), places) for each in tries]
            best = int(np.argmin(costs))
            if costs[best] >= least:
                break
            least, moved = costs[best], tries[best]
    return start.moved(*moved)


def sampled(volume: Volume, values: Voxels, positions_mm: Matrix) -> Voxels:
    """
    Interpolate linearly at patient positions.

    Parameters
    ----------
    volume
        Whose geometry counts.
    values
        Shape of its voxels.
    positions_mm
        Shape (n, 3), mm LPS.

    Returns
    -------
    float32 array of shape (n,)
        Outside the volume the value of its nearest voxel.
    """
    steps = np.array([volume.slice_step_mm, volume.row_step_mm, volume.column_step_mm])
    indices = (positions_mm - np.array(volume.origin_mm)) @ np.linalg.inv(steps)
    return np.asarray(ndimage.map_coordinates(values, indices.T, order=1, mode="nearest"), dtype=np.float32)


def _image(brain: Brain) -> Voxels:
    sigma = [0.0, *(_BLUR_MM / step for step in brain.volume.spacing_mm[1:])]
    hu = np.clip(brain.volume.voxels_hu, *_IMAGE_HU)
    return ndimage.gaussian_filter(np.where(brain.mask, hu, np.float32(_OUTSIDE_HU)), sigma, truncate=2)


def _half_grid(brain: Brain, frame: HeadFrame) -> Matrix:
    """Return places (n, 3) of one half of the frame, mm, that lie in or near the brain, or whose mirror image does."""
    left, back, up = _REACH_MM
    axes = (
        np.arange(_SPACING_MM / 2, left, _SPACING_MM),
        np.arange(-back, back + 1, _SPACING_MM),
        np.arange(-up, up + 1, _SPACING_MM),
    )
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.float64)
    reach = [2 * round(_MARGIN_MM / step) + 1 for step in brain.volume.spacing_mm]
    near = ndimage.maximum_filter(brain.mask.view(np.uint8), reach, mode="constant").astype(np.float32)
    halves = [sampled(brain.volume, near, frame.to_patient(places * [sign, 1.0, 1.0])) for sign in (1.0, -1.0)]
    return np.asarray(places[np.maximum(*halves) > 0], dtype=np.float64)


def _unlikeness(volume: Volume, image: Voxels, frame: HeadFrame, places: Matrix) -> float:
    one = sampled(volume, image, frame.to_patient(places))
    other = sampled(volume, image, frame.to_patient(places * [-1.0, 1.0, 1.0]))
    is_brain = (one > _IMAGE_HU[0]) | (other > _IMAGE_HU[0])
    if not is_brain.any():
        return _LARGEST_COST_HU
    return float(np.minimum(np.abs(one - other), _LARGEST_COST_HU)[is_brain].mean())
