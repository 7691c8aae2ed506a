"""The part of an image that is segmented, and how near to the lungs something is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference.bundles.image import Image
from inference.reference.grids import Grid
from inference.reference.lungs import Lungs
from inference.volume import Volume

Index = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Region:
    """
    A box of voxels.

    Parameters
    ----------
    first, last
        Index (x, y, z) of its first voxel, and the one after its last.
    volume
        The series.
    grid, far_mm
        Distance from the air of the lungs, on a grid of the volume; None where they were not looked for.
    """

    first: Index
    last: Index
    volume: Volume
    grid: Grid | None = None
    far_mm: npt.NDArray[np.float64] | None = None

    @property
    def picks(self) -> tuple[slice, slice, slice]:
        """Slices of an array of shape (x, y, z)."""
        a, b, c = (slice(first, last) for first, last in zip(self.first, self.last, strict=True))
        return (a, b, c)

    def is_near(self, image: Image, voxels: npt.NDArray[np.int64], within_mm: float | None) -> bool:
        """
        Tell whether any of some voxels is that near to air of the lungs.

        Parameters
        ----------
        image
            Of the voxels.
        voxels
            Array of shape (n, 3), indices (x, y, z).
        within_mm
            None: everything is near enough.
        """
        if within_mm is None or self.grid is None or self.far_mm is None:
            return True
        homogeneous = np.concatenate([voxels, np.ones((len(voxels), 1))], axis=1)
        patient = (homogeneous @ image.to_patient.T)[:, :3] - self.volume.origin_mm
        steps = np.array([self.volume.slice_step_mm, self.volume.row_step_mm, self.volume.column_step_mm])
        in_volume = patient @ np.linalg.inv(steps)
        index = np.rint((in_volume - self.grid.start) / self.grid.step).astype(np.intp)
        index = np.clip(index, 0, np.array(self.far_mm.shape) - 1)
        return bool((self.far_mm[tuple(index.T)] <= within_mm).any())


def region_of(image: Image, volume: Volume, lungs: Lungs | None, *, cropped: bool) -> Region:
    """
    Return the box of the lungs in an image, or all of it.

    Parameters
    ----------
    image
        Made of the volume.
    volume
        The series.
    lungs
        Where they are; None when nobody asked.
    cropped
        Whether the box is wanted.
    """
    if lungs is None:
        return Region((0, 0, 0), image.shape, volume)
    far_mm = ndimage.distance_transform_edt(~lungs.mask) * lungs.grid.spacing_mm
    if not cropped:
        return Region((0, 0, 0), image.shape, volume, lungs.grid, far_mm)
    corners = np.array([image.index_of(volume.to_patient_mm(corner)) for corner in (lungs.low, lungs.high)])
    low = np.clip(np.floor(corners.min(axis=0)), 0, image.shape).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, image.shape).astype(int)
    a, b, c = (int(value) for value in low)
    d, e, f = (int(value) for value in high)
    return Region((a, b, c), (d, e, f), volume, lungs.grid, far_mm)
