"""A cuboid at a known place in slices of any placing: made by the formula of PS3.3 C.7.6.2.1.1, not by our geometry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tests.unit.inference.instances import InMemorySeries, make_instance

Array = npt.NDArray[np.float64]

BODY_HU, LESION_HU = 30, 1000
CODE_PIXELS, HU_PER_MM = 6, 5  # the corner of each slice says by its grey at which height it is


def turned(axis: str, degrees: float) -> Array:
    """Return the matrix of a turn about a patient axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return {
        "x": np.array([[1, 0, 0], [0, c, -s], [0, s, c]]),
        "y": np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]),
        "z": np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]),
    }[axis]


@dataclass(frozen=True)
class Phantom:
    """
    Slices and a cuboid in them.

    Parameters
    ----------
    along_row, along_column
        Direction cosines of Image Orientation (Patient), in its order.
    step_mm
        Patient vector from slice to slice for a step of 1 mm along the normal; with tilt it is not the normal.
    heights_mm
        Of the slices, in steps.
    pixel_mm
        Pixel Spacing: between rows, between columns.
    shape
        Rows and columns.
    """

    along_row: Array
    along_column: Array
    step_mm: Array
    heights_mm: tuple[float, ...]
    pixel_mm: tuple[float, float]
    shape: tuple[int, int]

    @property
    def normal(self) -> Array:
        """Right-handed normal of the slices."""
        return np.cross(self.along_row, self.along_column)

    def position(self, k: int) -> Array:
        """Image Position (Patient) of a slice."""
        return np.array([-41.0, 23.0, 310.0]) + self.heights_mm[k] * self.step_mm

    def series(self, centre_mm: Array, halves_mm: tuple[float, float, float]) -> InMemorySeries:
        """Return the series; `halves_mm` of the cuboid are along the row, along the column, along the normal."""
        instances = []
        j, i = (index[..., None] for index in np.mgrid[: self.shape[0], : self.shape[1]])
        for k in range(len(self.heights_mm)):
            # P = S + X * delta_column * i + Y * delta_row * j, PS3.3 equation C.7.6.2.1-1
            place = self.position(k) + i * self.pixel_mm[1] * self.along_row + j * self.pixel_mm[0] * self.along_column
            off = np.abs((place - centre_mm) @ np.transpose([self.along_row, self.along_column, self.normal]))
            hu = np.where((off <= halves_mm).all(axis=-1), LESION_HU, BODY_HU)
            hu[:CODE_PIXELS, :CODE_PIXELS] = HU_PER_MM * self.heights_mm[k]
            x, y, z = (float(v) for v in self.position(k))
            instances.append(
                make_instance(
                    (hu + 1024).astype(np.uint16),
                    number=k + 1,
                    position_mm=(x, y, z),
                    orientation=[*self.along_row, *self.along_column],
                    pixel_spacing_mm=self.pixel_mm,
                )
            )
        return InMemorySeries(instances)
