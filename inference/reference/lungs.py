"""The lungs in a chest CT: air inside the body, in one or two large pieces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference.reference.grids import Grid, Index, sample
from inference.volume import Volume

Mask = npt.NDArray[np.bool_]

COARSE_MM = 3.0
AIR_BELOW_HU = -400.0
MIN_LUNGS_ML = 500.0
MAX_LUNGS_ML = 12000.0
MIN_PIECE_OF_LARGEST = 0.1  # leaves out gas in stomach and bowel
MIN_EXTENT_MM = 80.0
MARGIN_MM = 12.0


@dataclass(frozen=True, slots=True)
class Lungs:
    """
    Where the lungs are.

    Parameters
    ----------
    grid
        The volume at 3 mm.
    mask
        Air of both lungs on that grid.
    low, high
        Box around them in indices of the volume, with a margin.
    """

    grid: Grid
    mask: Mask
    low: Index
    high: Index

    @property
    def volume_ml(self) -> float:
        """Volume of the air of both lungs, mL."""
        return _millilitres(int(self.mask.sum()), self.grid.spacing_mm)


def find_lungs(volume: Volume) -> Lungs | None:
    """
    Find the lungs.

    Air is below -400 HU on a 3 mm grid; air that reaches the side of the image is outside the body. What
    remains counts when it is at least a tenth of the largest piece.

    Parameters
    ----------
    volume
        A CT volume with axial slices.

    Returns
    -------
    Lungs or None
        None when there is no air of the volume (0.5 to 12 L) and extent (80 mm along each axis) of lungs.
    """
    shape = volume.voxels_hu.shape
    top: Index = (shape[0] - 1.0, shape[1] - 1.0, shape[2] - 1.0)
    grid = sample(volume.voxels_hu, volume.spacing_mm, (0.0, 0.0, 0.0), top, COARSE_MM)
    mask = _inner_air(grid.values < AIR_BELOW_HU)
    if not MIN_LUNGS_ML <= _millilitres(int(mask.sum()), COARSE_MM) <= MAX_LUNGS_ML:
        return None
    spans = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    if any((span[-1] - span[0] + 1) * COARSE_MM < MIN_EXTENT_MM for span in spans):
        return None
    margin = MARGIN_MM / COARSE_MM
    low = grid.to_volume_index((spans[0][0] - margin, spans[1][0] - margin, spans[2][0] - margin))
    high = grid.to_volume_index((spans[0][-1] + margin, spans[1][-1] + margin, spans[2][-1] + margin))
    a, b, c = (max(0.0, value) for value in low)
    d, e, f = (min(last, value) for last, value in zip(top, high, strict=True))
    return Lungs(grid, mask, (a, b, c), (d, e, f))


def lung_air(lungs: Lungs, grid: Grid, below_hu: float) -> Mask:
    """Return the voxels of a finer or coarser grid that are air of the lungs, by the mask made at 3 mm."""
    near = ndimage.binary_dilation(lungs.mask, iterations=1)
    picks = []
    for axis in range(3):
        index = grid.start[axis] + grid.step[axis] * np.arange(grid.values.shape[axis])
        coarse = np.rint((index - lungs.grid.start[axis]) / lungs.grid.step[axis]).astype(np.intp)
        picks.append(np.clip(coarse, 0, near.shape[axis] - 1))
    return near[np.ix_(*picks)] & (grid.values < below_hu)


def _inner_air(air: Mask) -> Mask:
    labels, n = ndimage.label(air)
    outside = np.unique(
        np.concatenate([labels[:, side].ravel() for side in (0, -1)] + [labels[:, :, side].ravel() for side in (0, -1)])
    )
    sizes = np.bincount(labels.ravel(), minlength=n + 1)
    sizes[0] = 0
    sizes[outside] = 0
    return np.asarray((sizes >= max(1.0, MIN_PIECE_OF_LARGEST * sizes.max()))[labels], dtype=np.bool_)


def _millilitres(n_voxels: int, spacing_mm: float) -> float:
    return n_voxels * spacing_mm**3 / 1000.0
