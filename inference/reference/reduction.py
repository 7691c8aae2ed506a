"""Fewer voxels for the same body: block averages of a volume, with the geometry that belongs to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from inference.volume import Volume
from voorrang.dicom.headers import Vector


def voxel_ml(volume: Volume) -> float:
    """Return the volume of one voxel, ml; right for a tilted stack too (a determinant, not a product)."""
    steps = np.array([volume.slice_step_mm, volume.row_step_mm, volume.column_step_mm])
    return abs(float(np.linalg.det(steps))) / 1000


def reduced(volume: Volume, largest_mm: Vector) -> Volume:
    """
    Average whole blocks of voxels, so that thin series and large matrices cost no more than thick ones.

    Parameters
    ----------
    volume
        The volume to reduce; it is returned as it is when its voxels are large already.
    largest_mm
        Voxels grow along (slice, row, column) by whole factors, never beyond these lengths.

    Returns
    -------
    Volume
        Means of blocks; an incomplete block at the end of an axis is left out.
    """
    wanted = zip(largest_mm, volume.spacing_mm, strict=True)
    per_slice, per_row, per_column = factors = tuple(max(1, int(most / step)) for most, step in wanted)
    if factors == (1, 1, 1):
        return volume
    n, r, c = (size // factor for size, factor in zip(volume.voxels_hu.shape, factors, strict=True))
    kept = volume.voxels_hu[: n * per_slice, : r * per_row, : c * per_column]
    blocks = kept.reshape(n, per_slice, r, per_row, c, per_column)
    return Volume(
        voxels_hu=blocks.mean(axis=(1, 3, 5), dtype=np.float32),
        origin_mm=volume.to_patient_mm(((per_slice - 1) / 2, (per_row - 1) / 2, (per_column - 1) / 2)),
        slice_step_mm=_times(volume.slice_step_mm, per_slice),
        row_step_mm=_times(volume.row_step_mm, per_row),
        column_step_mm=_times(volume.column_step_mm, per_column),
    )


def cropped(volume: Volume, box: tuple[slice, ...]) -> Volume:
    """Return the part of a volume in a box of (slices, rows, columns), where it lay."""
    s, r, c = (part.start for part in box)
    return replace(volume, voxels_hu=volume.voxels_hu[box], origin_mm=volume.to_patient_mm((s, r, c)))


def _times(step: Vector, factor: int) -> Vector:
    return (step[0] * factor, step[1] * factor, step[2] * factor)
