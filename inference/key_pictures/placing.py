"""Which slice a finding is shown in, and where its box lies there. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.model import LocatedFinding
from inference.volume import Box, Volume
from voorrang.dicom.headers import Vector

_LETTERS = (("L", "R"), ("P", "A"), ("H", "F"))  # along +x, -x, +y, -y, +z, -z: PS3.3 C.7.6.1.1.1
_IS_ALONG = 0.3  # a direction is told by a letter when its cosine is above this


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Edges of a box in a slice, in (row, column) of the volume: a whole number is the middle of a pixel."""

    top: float
    left: float
    bottom: float
    right: float


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a finding is shown.

    Parameters
    ----------
    slice_index
        Of the volume.
    centre
        Its place in that slice, (row, column), with fractions.
    rectangle
        Of its box; None for a finding without extent.
    """

    slice_index: int
    centre: tuple[float, float]
    rectangle: Rectangle | None


def place(finding: LocatedFinding, volume: Volume) -> Place | None:
    """
    Return where a finding is shown: in the slice nearest to its position, or to the middle of its box.

    Parameters
    ----------
    finding
        Position and box in mm LPS.
    volume
        What it was found in, tilted or not.

    Returns
    -------
    Place or None
        None without a position, and for one outside the volume.
    """
    position = finding.position_mm or (_middle(finding.box_mm) if finding.box_mm else None)
    if position is None:
        return None
    index = np.array(volume.to_index(position))
    shape = np.array(volume.voxels_hu.shape)
    if not ((index > -1.0) & (index < shape)).all():  # NaN is outside too
        return None
    k = int(np.clip(np.rint(index[0]), 0, shape[0] - 1))
    rectangle = _rectangle(finding.box_mm, volume, k) if finding.box_mm else None
    row, column = _in_slice(position, volume, k)
    return Place(k, (row, column), rectangle)


def directions_shown(volume: Volume) -> tuple[str, str]:
    """Return the letters (PS3.3 C.7.6.1.1.1) of what lies at the left edge and at the top edge of a slice."""
    _, row, column = volume.directions
    return (_letters(-column), _letters(-row))


def _rectangle(box: Box, volume: Volume, k: int) -> Rectangle | None:
    (row_a, column_a), (row_b, column_b) = (_in_slice(corner, volume, k) for corner in box)
    found = Rectangle(min(row_a, row_b), min(column_a, column_b), max(row_a, row_b), max(column_a, column_b))
    edges = (found.top, found.left, found.bottom, found.right)
    return found if all(np.isfinite(edge) for edge in edges) else None


def _in_slice(position_mm: Vector, volume: Volume, k: int) -> tuple[float, float]:
    """Return (row, column) where a position lies when it is moved into a slice at right angles to it."""
    offset = np.subtract(position_mm, volume.to_patient_mm((k, 0, 0)))
    _, row_mm, column_mm = volume.directions @ offset
    _, between_rows, between_columns = volume.spacing_mm
    return (float(row_mm) / between_rows, float(column_mm) / between_columns)


def _middle(box: Box) -> Vector:
    x, y, z = ((a + b) / 2 for a, b in zip(*box, strict=True))
    return (x, y, z)


def _letters(direction: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    strongest = np.argsort(-np.abs(direction))
    return "".join(_LETTERS[axis][int(direction[axis] < 0)] for axis in strongest if abs(direction[axis]) > _IS_ALONG)
