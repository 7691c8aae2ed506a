"""Regions in the brain that are as dense as fresh blood, and what speaks for and against each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference.reference.brain import Brain
from inference.reference.symmetry import Plane, excess_over_mirror_hu
from inference.volume import Box, Voxels

_FROM_BONE_MM = 6.0
_SMOOTHING_MM = (2.0, 1.6, 1.6)
_MIN_HU = 46.0
_OVER_MEDIAN_HU = 14.0
_MAX_HU = 95.0
_CALCIFIED_HU = 110.0
_MIN_ML = 0.25
_MIN_THICKNESS_MM = 4.0
_MIN_AREA_SHARE = 0.35


@dataclass(frozen=True, slots=True)
class Region:
    """
    A connected region of the density of blood.

    Parameters
    ----------
    centre
        Centre of mass, index (slice, row, column) in the reduced volume.
    volume_ml, thickness_mm
        Its volume, and twice the radius of the largest sphere that fits in: a sheet is thin however wide.
    over_median_hu
        Mean of the smoothed region above the brain's median.
    over_mirror_hu
        Mean above the mirror image in the mid-sagittal plane; None where that lies outside the brain.
    box_mm
        Around its voxels.
    """

    centre: tuple[float, float, float]
    volume_ml: float
    thickness_mm: float
    over_median_hu: float
    over_mirror_hu: float | None
    box_mm: Box

    @property
    def diameter_mm(self) -> float:
        """Diameter of the sphere of the same volume, mm."""
        return float((6 * self.volume_ml * 1000 / np.pi) ** (1 / 3))


def smoothed(brain: Brain) -> Voxels:
    """
    Smooth inside the brain only, so that neither bone nor air bleeds in.

    Parameters
    ----------
    brain
        The brain; calcifications are cut at 110 HU first, so that a speck cannot make a region.

    Returns
    -------
    ndarray
        HU, shape of the reduced volume; the median outside the brain. A normalised convolution (Knutsson and
        Westin, CVPR 1993, doi 10.1109/CVPR.1993.341081).
    """
    sigma = [mm / step for mm, step in zip(_SMOOTHING_MM, brain.volume.spacing_mm, strict=True)]
    sigma[0] = min(sigma[0], 0.5)
    weight = (brain.mask & (brain.bone_distance_mm > 2.0)).astype(np.float32)
    excess = np.clip(brain.volume.voxels_hu, -20, _CALCIFIED_HU) - np.float32(brain.median_hu)
    total = ndimage.gaussian_filter(excess * weight, sigma, truncate=3)
    share = ndimage.gaussian_filter(weight, sigma, truncate=3)
    smooth = np.where(share > 0.05, total / np.maximum(share, 0.05), 0) + brain.median_hu
    return smooth.astype(np.float32)


def find_regions(brain: Brain, plane: Plane) -> tuple[Region, ...]:
    """Return the regions that could be blood, the largest first, without sheets and calcifications."""
    smooth = smoothed(brain)
    floor = max(_MIN_HU, brain.median_hu + _OVER_MEDIAN_HU)
    search = brain.mask & (brain.bone_distance_mm > _FROM_BONE_MM) & _ample_slices(brain)
    labels, _ = ndimage.label(search & (smooth > floor) & (smooth < _CALCIFIED_HU))
    regions = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        region = _measure(brain, smooth, plane, labels[box] == label, box)
        if region is not None:
            regions.append(region)
    return tuple(sorted(regions, key=lambda region: -region.volume_ml))


def _ample_slices(brain: Brain) -> npt.NDArray[np.bool_]:
    """
    True for slices, shape (n, 1, 1), with at least 35 % of the largest brain area.

    The others are the vertex and the foramen magnum, where bone above, below or on both sides brightens the
    brain (partial volume and beam hardening).
    """
    areas = np.count_nonzero(brain.mask, axis=(1, 2))
    ample: npt.NDArray[np.bool_] = (areas >= _MIN_AREA_SHARE * areas.max())[:, None, None]
    return ample


def _measure(
    brain: Brain,
    smooth: Voxels,
    plane: Plane,
    inside: npt.NDArray[np.bool_],
    box: tuple[slice, ...],
) -> Region | None:
    volume_ml = float(np.count_nonzero(inside)) * brain.voxel_ml
    if volume_ml < _MIN_ML or _is_calcified(brain.volume.voxels_hu[box], inside):
        return None
    thickness = _thickness_mm(inside, brain.volume.spacing_mm)
    if thickness < _MIN_THICKNESS_MM:
        return None
    indices = np.argwhere(inside) + np.array([part.start for part in box])
    s, r, c = indices.mean(axis=0)
    mean = float(smooth[box][inside].mean())
    if mean > _MAX_HU:
        return None
    return Region(
        centre=(float(s), float(r), float(c)),
        volume_ml=volume_ml,
        thickness_mm=thickness,
        over_median_hu=mean - brain.median_hu,
        over_mirror_hu=excess_over_mirror_hu(brain, smooth, plane, indices.astype(np.float64)),
        box_mm=brain.volume.box_of(indices.astype(np.float64)),
    )


def _is_calcified(hu: Voxels, inside: npt.NDArray[np.bool_]) -> bool:
    """Blood stays below 110 HU; a few such voxels in a large region may be a calcification beside it."""
    near = ndimage.binary_dilation(inside, iterations=1)
    dense = np.count_nonzero(hu[near] > _CALCIFIED_HU)
    return bool(dense > 0.04 * np.count_nonzero(inside))


def _thickness_mm(inside: npt.NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> float:
    """Thickness in the plane, mm; slices are too thick to tell along the third axis."""
    padded = np.pad(inside, ((0, 0), (1, 1), (1, 1)))
    row_mm, column_mm = spacing_mm[1:]
    # far slices: the distance is to the region's edge in the same slice
    depth = ndimage.distance_transform_edt(padded, sampling=(1000.0, row_mm, column_mm))
    return float(2 * depth.max())
