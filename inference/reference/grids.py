"""Resampling onto isotropic grids, and the way back to the indices of the volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.volume import Voxels

Index = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Grid:
    """
    Values on an isotropic grid over a part of a volume.

    Parameters
    ----------
    values
        Float32 array of three axes.
    spacing_mm
        Distance between neighbours, the same along each axis.
    start, step
        Index (slice, row, column) in the volume of the grid's first voxel, and from one voxel to the next.
    """

    values: Voxels
    spacing_mm: float
    start: Index
    step: Index

    def to_volume_index(self, index: Index) -> Index:
        """Return the (fractional) index in the volume of a grid index."""
        a, b, c = (s + d * i for s, d, i in zip(self.start, self.step, index, strict=True))
        return (a, b, c)

    def coarser(self, spacing_mm: float) -> Grid:
        """Return the same box on a grid of larger spacing, averaged with a triangle of that width."""
        ratio = spacing_mm / self.spacing_mm
        shape = [max(1, round(n / ratio)) for n in self.values.shape]
        values = _resample(self.values, (0.0, 0.0, 0.0), (ratio, ratio, ratio), shape)
        a, b, c = (d * ratio for d in self.step)
        return Grid(values, spacing_mm, self.start, (a, b, c))


def sample(voxels: Voxels, voxel_spacing_mm: Index, low: Index, high: Index, spacing_mm: float) -> Grid:
    """
    Sample a box of a volume on an isotropic grid.

    Linear interpolation where the grid is finer than the volume, an average weighted by a triangle as wide as
    the grid spacing where it is coarser; so noise falls and thin slices are all used.

    Parameters
    ----------
    voxels
        Array of shape (n_slices, rows, columns).
    voxel_spacing_mm
        Distance between its neighbours along each axis.
    low, high
        First and last index of the box along each axis.
    spacing_mm
        Spacing of the grid.
    """
    a, b, c = (spacing_mm / s for s in voxel_spacing_mm)
    step = (a, b, c)
    shape = [max(1, int((h - w) / d) + 1) for w, h, d in zip(low, high, step, strict=True)]
    return Grid(_resample(voxels, low, step, shape), spacing_mm, low, step)


def _resample(values: Voxels, start: Index, step: Index, shape: list[int]) -> Voxels:
    weights, first, last = _triangles(values.shape[2], start[2], step[2], shape[2])
    values = values[:, :, first:last] @ weights.T
    weights, first, last = _triangles(values.shape[1], start[1], step[1], shape[1])
    values = weights @ values[:, first:last]
    weights, first, last = _triangles(values.shape[0], start[0], step[0], shape[0])
    return np.tensordot(weights, values[first:last], axes=(1, 0))


def _triangles(n_in: int, start: float, step: float, n_out: int) -> tuple[npt.NDArray[np.float32], int, int]:
    """Weights of shape (n_out, last - first) of the inputs first..last-1; each row sums to 1."""
    centres = np.clip(start + step * np.arange(n_out), 0, n_in - 1)
    width = max(1.0, step)
    first = max(0, int(np.floor(centres[0] - width)))
    last = min(n_in, int(np.ceil(centres[-1] + width)) + 1)
    weights = np.maximum(0.0, 1.0 - np.abs(np.arange(first, last)[None, :] - centres[:, None]) / width)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights.astype(np.float32), first, last
