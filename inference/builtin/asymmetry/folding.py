"""The left half of a brain laid on the right one: tissue alone, in the mid-sagittal frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference.builtin.asymmetry.aligning import HeadFrame, Matrix, sampled
from inference.reference.brain import Brain
from inference.volume import Voxels

Mask = npt.NDArray[np.bool_]

SPACING_MM = (5.0, 2.0, 2.0)  # up, back, left
_FROM_BONE_MM = 5.0
_FROM_MIDLINE_MM = 5.0
_FROM_FLUID_MM = 1.5
_TISSUE_BLUR_MM = 2.0
_TISSUE_OVER_MEDIAN_HU = (-20.0, 18.0)  # below: fluid; above: blood, sinus, calcification
_MIN_AREA_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Folded:
    """
    Both halves of a brain on one grid.

    Parameters
    ----------
    left_hu, right_hu
        Smoothed tissue, shape (n_up, n_back, n_left), HU; the right half is mirrored.
    is_pair
        True where both have tissue, same shape.
    frame
        In which the grid lies.
    low_mm
        Place (up, back, left) of the first voxel, mm in the frame.
    """

    left_hu: Voxels
    right_hu: Voxels
    is_pair: Mask
    frame: HeadFrame
    low_mm: tuple[float, float, float]

    def axis_mm(self, axis: int) -> Matrix:
        """Return the places along an axis (0 up, 1 back, 2 left), mm in the frame."""
        return self.low_mm[axis] + SPACING_MM[axis] * np.arange(self.is_pair.shape[axis], dtype=np.float64)

    def position_mm(self, index: tuple[float, float, float], *, is_left: bool) -> tuple[float, float, float]:
        """Return the patient position of a voxel (up, back, left), fractions allowed, on either side."""
        up, back, left = (low + step * i for low, step, i in zip(self.low_mm, SPACING_MM, index, strict=True))
        place = np.array([[left if is_left else -left, back, up]])
        x, y, z = (float(v) for v in self.frame.to_patient(place)[0])
        return (x, y, z)


def folded(brain: Brain, frame: HeadFrame) -> Folded:
    """
    Lay both halves of a brain on each other.

    Parameters
    ----------
    brain, frame
        The brain and its mid-sagittal frame.

    Returns
    -------
    Folded
        From the midline to the farthest brain. Fluid, what lies near bone, and slices with little brain (vertex,
        foramen magnum) are no tissue.
    """
    tissue = _tissue(brain)
    smooth = within(brain.volume.voxels_hu, tissue, _sigma(brain, _TISSUE_BLUR_MM))
    places, shape, low = _grid(brain, frame)
    halves, shares = [], []
    for sign in (1.0, -1.0):
        at = frame.to_patient(places * [sign, 1.0, 1.0])
        halves.append(sampled(brain.volume, smooth, at).reshape(shape))
        shares.append(sampled(brain.volume, tissue.astype(np.float32), at).reshape(shape))
    is_pair = np.asarray(np.minimum(*shares) > 0.5, dtype=np.bool_)
    return Folded(halves[0], halves[1], is_pair, frame, low)


def within(values: Voxels, mask: Mask, sigma: tuple[float, float, float]) -> Voxels:
    """
    Smooth inside a mask only.

    Parameters
    ----------
    values, mask
        Of one shape.
    sigma
        Of the Gaussian along each axis, voxels.

    Returns
    -------
    float32 array
        0 outside the mask. A normalised convolution (Knutsson and Westin, CVPR 1993, doi 10.1109/CVPR.1993.341081).
    """
    weight = mask.astype(np.float32)
    total = ndimage.gaussian_filter(np.where(mask, values, np.float32(0)), sigma, truncate=3)
    share = ndimage.gaussian_filter(weight, sigma, truncate=3)
    return np.where(mask, total / np.maximum(share, np.float32(1e-3)), np.float32(0)).astype(np.float32)


def _tissue(brain: Brain) -> Mask:
    areas = np.count_nonzero(brain.mask, axis=(1, 2))
    ample = (areas >= _MIN_AREA_SHARE * areas.max())[:, None, None]
    smooth = within(brain.volume.voxels_hu, brain.mask, _sigma(brain, _TISSUE_BLUR_MM))
    low, high = (brain.median_hu + over for over in _TISSUE_OVER_MEDIAN_HU)
    other = brain.mask & ((smooth < low) | (smooth > high))
    row_mm, column_mm = brain.volume.spacing_mm[1:]
    reach = (1, 2 * round(_FROM_FLUID_MM / row_mm) + 1, 2 * round(_FROM_FLUID_MM / column_mm) + 1)
    near_other = ndimage.maximum_filter(other.view(np.uint8), reach).astype(np.bool_)
    return np.asarray(brain.mask & ample & (brain.bone_distance_mm > _FROM_BONE_MM) & ~near_other, dtype=np.bool_)


def _sigma(brain: Brain, millimetres: float) -> tuple[float, float, float]:
    _, row_mm, column_mm = brain.volume.spacing_mm
    return (0.0, millimetres / row_mm, millimetres / column_mm)


def _grid(brain: Brain, frame: HeadFrame) -> tuple[Matrix, tuple[int, int, int], tuple[float, float, float]]:
    volume = brain.volume
    steps = np.array([volume.slice_step_mm, volume.row_step_mm, volume.column_step_mm])
    inside = frame.to_frame(np.array(volume.origin_mm) + np.argwhere(brain.mask) @ steps)
    low, high = inside.min(axis=0), inside.max(axis=0)
    farthest = float(np.abs(inside[:, 0]).max())
    first = (float(low[2]), float(low[1]), _FROM_MIDLINE_MM)
    axes = [
        np.arange(start, end + step, step)
        for start, end, step in zip(first, (high[2], high[1], farthest), SPACING_MM, strict=True)
    ]
    up, back, left = np.meshgrid(*axes, indexing="ij")
    n, r, c = up.shape
    return np.stack([left, back, up], axis=-1).reshape(-1, 3), (n, r, c), first
