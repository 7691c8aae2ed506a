"""A volume with the forehead at the top of each slice and the neck first, in slabs as thick as training slices were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.builtin.head_slices import WINDOW_HU
from inference.volume import Box, Volume

SLAB_MM = 5.0

Slices = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Slabs:
    """
    Slices averaged to slabs.

    Parameters
    ----------
    window_hu
        Shape (n_slabs, rows, columns), HU within the brain window.
    volume
        What they were made of, axes in order: rows run to the back, columns to the patient's left, slices upwards.
    per_slab
        Slices in each slab; the last one may have fewer.
    """

    window_hu: Slices
    volume: Volume
    per_slab: int

    def position_mm(self, slab: int, row: float, column: float) -> tuple[float, float, float]:
        """Return the patient position of a (row, column) in the middle of a slab."""
        first, last = self._slices(slab)
        return self.volume.to_patient_mm(((first + last) / 2, row, column))

    def box_mm(self, slab: int, places: Sequence[tuple[float, float]]) -> Box:
        """Return the box around places (row, column) of a slab, from its first slice to its last."""
        return self.volume.box_of(np.array([(k, *place) for k in self._slices(slab) for place in places]))

    def _slices(self, slab: int) -> tuple[int, int]:
        first = slab * self.per_slab
        return first, min(first + self.per_slab, len(self.volume.voxels_hu)) - 1


def in_slabs(volume: Volume) -> Slabs:
    """
    Average a volume to slabs of about 5 mm; thicker slices stay as they are.

    Parameters
    ----------
    volume
        HU, axial or nearly so; rows, columns and slices in any order. Tilt is left in, as in training.
    """
    ordered = as_seen(volume)
    n = len(ordered.voxels_hu)
    per_slab = max(1, round(SLAB_MM / ordered.spacing_mm[0]))
    starts = range(0, n, per_slab)
    slabs = np.stack([np.clip(ordered.voxels_hu[k : k + per_slab], *WINDOW_HU).mean(axis=0) for k in starts])
    return Slabs(slabs.astype(np.float32), ordered, per_slab)


def as_seen(volume: Volume) -> Volume:
    """Return a view of an axial volume whose rows run to the back, columns to the left and slices upwards (LPS)."""
    steps = [volume.slice_step_mm, volume.row_step_mm, volume.column_step_mm]
    voxels, origin = volume.voxels_hu, np.array(volume.origin_mm, dtype=np.float64)
    if abs(steps[1][1]) < abs(steps[2][1]):
        voxels, steps = voxels.swapaxes(1, 2), [steps[0], steps[2], steps[1]]
    for axis, component in ((0, 2), (1, 1), (2, 0)):
        if steps[axis][component] < 0:
            origin = origin + (voxels.shape[axis] - 1) * np.array(steps[axis])
            steps[axis] = (-steps[axis][0], -steps[axis][1], -steps[axis][2])
            voxels = np.flip(voxels, axis)
    x, y, z = (float(value) for value in origin)
    return Volume(voxels, (x, y, z), steps[0], steps[1], steps[2])
