"""Volumes on other grids: evenly spaced slices, and slices at right angles to the line through them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from inference.volume import Volume, Voxels
from voorrang.dicom.headers import Vector

Positions = npt.NDArray[np.float64]

OUTSIDE_HU = -1024.0
_POINT_MM = 1e-6  # what is narrower has no mean over it
MIN_SHEAR_PIXELS = 0.5  # over the whole stack; below, every voxel is nearest to where it was


def evenly_spaced(voxels: Voxels, distances_mm: Positions, spacing_mm: float) -> Voxels:
    """
    Put slices onto even distances, from the first on, so that every one of them is seen.

    Between slices as far apart as those that are made, linear interpolation. Where they lie closer, the mean of that
    over up to one spacing: a slice between two places would be left out, and what only it shows. What rises evenly
    stays as it is, but for half a spacing at both ends.

    Parameters
    ----------
    voxels
        Float32 array of shape (n_slices, rows, columns).
    distances_mm
        Of each slice along the normal, rising.
    spacing_mm
        Between the slices that are made.

    Returns
    -------
    float32 array of shape (n, rows, columns)
        The last slice lies within half a spacing of the last one given.
    """
    first, last = float(distances_mm[0]), float(distances_mm[-1])
    n = math.ceil((last - first) / spacing_mm - 0.5 - 1e-6) + 1
    out = np.zeros((n, *voxels.shape[1:]), np.float32)
    for k in range(n):
        for index, weight in _weights(min(first + k * spacing_mm, last), distances_mm, spacing_mm):
            out[k] += np.float32(weight) * voxels[index]
    return out


def _weights(at_mm: float, distances_mm: Positions, spacing_mm: float) -> list[tuple[int, float]]:
    """Return the slices that make the one at a place, each with its weight; together 1."""
    reach = spacing_mm / 2
    lowest, above = np.searchsorted(distances_mm, [at_mm - reach, at_mm + reach])
    gaps = np.diff(distances_mm[max(0, lowest - 1) : above + 1])
    half = min(reach, max(0.0, spacing_mm - float(gaps.min())))
    low, high = max(at_mm - half, float(distances_mm[0])), min(at_mm + half, float(distances_mm[-1]))
    within = distances_mm[(distances_mm > low) & (distances_mm < high)]
    points = np.array([low, *within, high]) if high - low > _POINT_MM else np.array([at_mm])
    shares = _trapezoid(points)
    below = np.clip(np.searchsorted(distances_mm, points, side="right"), 1, len(distances_mm) - 1) - 1
    part = np.clip((points - distances_mm[below]) / (distances_mm[below + 1] - distances_mm[below]), 0.0, 1.0)
    weights = np.bincount(below, shares * (1 - part), len(distances_mm))
    weights += np.bincount(below + 1, shares * part, len(distances_mm))
    return [(int(index), float(weights[index])) for index in np.flatnonzero(weights)]


def _trapezoid(points: Positions) -> Positions:
    """Return the share of each point in the mean of what is linear between them."""
    if len(points) == 1:
        return np.ones(1)
    halves: Positions = np.diff(points) / (2 * (points[-1] - points[0]))
    shares: Positions = np.concatenate([halves, [0.0]]) + np.concatenate([[0.0], halves])
    return shares


def straightened(volume: Volume) -> Volume:
    """
    Return a volume whose slices are stacked at right angles: gantry tilt is undone by shifting them in their planes.

    For models that take the axes of the array for those of the patient: in a sheared one, a ball is none and
    distances along the slice axis are too long. What is shifted in from outside the image is -1024 HU; rows and columns
    are added so that nothing is shifted out.

    Parameters
    ----------
    volume
        HU.

    Returns
    -------
    Volume
        The same one when the shear over the whole stack is below half a pixel.
    """
    row, column, step = (
        np.array(v, dtype=np.float64) for v in (volume.row_step_mm, volume.column_step_mm, volume.slice_step_mm)
    )
    shift = _in_plane(step, row, column)  # pixels along (row, column), from one slice to the next
    n = len(volume.voxels_hu)
    if max(abs(shift)) * (n - 1) < MIN_SHEAR_PIXELS:
        return volume
    low, high = _added(shift, n)
    n_rows, n_columns = (size + a + b for size, a, b in zip(volume.voxels_hu.shape[1:], low, high, strict=True))
    out = np.full((n, n_rows, n_columns), OUTSIDE_HU, np.float32)
    for k in range(n):
        _place(volume.voxels_hu[k], np.array(low) + k * shift, out[k])
    origin = np.array(volume.origin_mm) - low[0] * row - low[1] * column
    upright = _vector(step - shift[0] * row - shift[1] * column)
    return Volume(out, _vector(origin), upright, volume.row_step_mm, volume.column_step_mm)


def _place(hu: Voxels, at: Positions, out: Voxels) -> None:
    """Put a slice at fractions of a pixel (row, column) into a larger one, by linear interpolation."""
    whole = np.floor(at + 1e-9).astype(int)
    part = np.clip(at - whole, 0.0, 1.0)
    n_rows, n_columns = hu.shape
    above_outside = hu - np.float32(OUTSIDE_HU)
    for row, row_share in ((whole[0], 1 - part[0]), (whole[0] + 1, part[0])):
        for column, column_share in ((whole[1], 1 - part[1]), (whole[1] + 1, part[1])):
            share = np.float32(row_share * column_share)
            if share > 0:
                out[row : row + n_rows, column : column + n_columns] += share * above_outside


def _in_plane(step: Positions, row: Positions, column: Positions) -> Positions:
    """Return how many pixels the slice step goes along rows and columns, which are at right angles."""
    return np.array([step @ row / (row @ row), step @ column / (column @ column)])


def _added(shift: Positions, n_slices: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return how many pixels (rows, columns) are added before the first and behind the last."""
    reach = shift * (n_slices - 1)
    before = [int(np.ceil(max(0.0, -r))) for r in reach]
    behind = [int(np.ceil(max(0.0, r))) + 1 for r in reach]  # and one that interpolation reaches
    return (before[0], before[1]), (behind[0], behind[1])


def _vector(values: Positions) -> Vector:
    x, y, z = (float(value) for value in values)
    return (x, y, z)
