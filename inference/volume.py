"""A series as one array in Hounsfield units, with the way back to patient coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voorrang.dicom.headers import Vector

Voxels = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Volume:
    """
    Voxels on a regular grid, and where the grid lies in the patient (LPS, mm).

    Parameters
    ----------
    voxels_hu
        Float32 array of shape (n_slices, rows, columns), HU; slice 0 is the lowest along `slice_step_mm`.
    origin_mm
        Patient position of the centre of voxel (0, 0, 0).
    slice_step_mm, row_step_mm, column_step_mm
        Patient vector, mm, from one voxel to the next along each axis of the array; the slice step need not be
        perpendicular to the others (gantry tilt).
    """

    voxels_hu: Voxels
    origin_mm: Vector
    slice_step_mm: Vector
    row_step_mm: Vector
    column_step_mm: Vector

    @property
    def spacing_mm(self) -> Vector:
        """Distance between neighbours along (slice, row, column), mm."""
        steps = (self.slice_step_mm, self.row_step_mm, self.column_step_mm)
        a, b, c = (float(np.linalg.norm(step)) for step in steps)
        return (a, b, c)

    def to_patient_mm(self, index: tuple[float, float, float]) -> Vector:
        """Return the patient position, mm LPS, of a (slice, row, column) index; fractions are allowed."""
        steps = np.array([self.slice_step_mm, self.row_step_mm, self.column_step_mm])
        x, y, z = np.array(self.origin_mm) + np.array(index) @ steps
        return (float(x), float(y), float(z))
