"""A series as one array in Hounsfield units, with the way back to patient coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voorrang.dicom.headers import Vector

Voxels = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]

Box = tuple[Vector, Vector]
"""
Two opposite corners, mm LPS. The edges run along the rows, along the columns, and at right angles to the slices: with
gantry tilt too, where the slices lie shifted over each other. So the orientation of the images and the two corners say
which box it is.
"""


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
        return _vector(np.array(self.origin_mm) + np.array(index) @ steps)

    def to_index(self, position_mm: Vector) -> tuple[float, float, float]:
        """Return the (slice, row, column) index of a patient position, with fractions; it may lie outside."""
        steps = np.array([self.slice_step_mm, self.row_step_mm, self.column_step_mm])
        return _vector(np.linalg.solve(steps.T, np.subtract(position_mm, self.origin_mm)))

    @property
    def directions(self) -> Points:
        """Unit vectors, array of shape (3, 3): normal to the slices, along the row step, along the column step."""
        row, column = (_unit(np.array(step)) for step in (self.row_step_mm, self.column_step_mm))
        normal = np.cross(column, row)
        return np.array([normal, row, column])

    def box_around(self, position_mm: Vector, diameter_mm: float) -> Box:
        """Return the box around a ball."""
        reach = self.directions.sum(axis=0) * diameter_mm / 2
        return (_vector(np.array(position_mm) - reach), _vector(np.array(position_mm) + reach))

    def box_of(self, indices: Points) -> Box:
        """
        Return the box around voxels, from edge to edge of the outermost.

        Parameters
        ----------
        indices
            Array of shape (n, 3), (slice, row, column).
        """
        steps = np.array([self.slice_step_mm, self.row_step_mm, self.column_step_mm])
        along = indices @ steps @ self.directions.T  # of each centre: mm along normal, row step, column step
        reach = np.abs(np.diag(steps @ self.directions.T)) / 2
        low, high = along.min(axis=0) - reach, along.max(axis=0) + reach
        origin = np.array(self.origin_mm)
        return (_vector(origin + low @ self.directions), _vector(origin + high @ self.directions))


def _unit(step: Points) -> Points:
    return np.asarray(step / np.linalg.norm(step), dtype=np.float64)


def _vector(values: Points) -> Vector:
    x, y, z = (float(value) for value in values)
    return (x, y, z)
