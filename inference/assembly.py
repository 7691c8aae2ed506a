"""Files of a series, put together as one volume in Hounsfield units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from inference.pixels import UnreadablePixelsError, read_hu
from inference.resampling import evenly_spaced
from inference.scope import OutOfScopeError, ScopeCode, ScopeReason
from inference.volume import Volume, Voxels
from voorrang.dicom.geometry import DUPLICATE_FRACTION, SeriesGeometry
from voorrang.dicom.headers import InstanceHeader, Vector

OpenInstance = Callable[[InstanceHeader], BinaryIO]
"""Opens the file of one instance for reading; the caller of it closes the file."""

_FIRST_BUFFER_BYTES = 1 << 20


def assemble(headers: Sequence[InstanceHeader], geometry: SeriesGeometry, open_instance: OpenInstance) -> Volume:
    """
    Read the stack of a series.

    Slices that lie at the place of another are left out. Unevenly spaced slices are resampled onto the median
    spacing by linear interpolation along the slice axis; the last voxel then lies at or below the last slice.
    Gantry tilt is kept as it is: `slice_step_mm` is the patient vector from slice to slice.

    Parameters
    ----------
    headers
        Headers of the series.
    geometry
        What `series_geometry` said of the same headers in the same order.
    open_instance
        Opens the DICOM file of a header.

    Returns
    -------
    Volume
        HU, the lowest slice along the normal first.

    Raises
    ------
    OutOfScopeError
        Code not_a_volume without a stack; code unreadable_pixels when any slice cannot be read, or is of CT and does
        not say how its values become HU: a volume with a slice made up would be worse than none.
    """
    if not geometry.is_volume:
        raise OutOfScopeError(ScopeReason(ScopeCode.NOT_A_VOLUME, "The series is not a stack of slices."))
    order, distances = _distinct(geometry)
    stack = [headers[i] for i in order]
    _require_rescale(stack)
    voxels = _read_stack(stack, open_instance)
    if not geometry.is_uniform:
        voxels, spacing = evenly_spaced(voxels, np.array(distances), geometry.spacing_mm), geometry.spacing_mm
    else:
        spacing = (distances[-1] - distances[0]) / (len(distances) - 1)
    first, last = stack[0], stack[-1]
    if not (first.image_position_mm and last.image_position_mm and first.image_orientation):
        raise OutOfScopeError(ScopeReason(ScopeCode.NOT_A_VOLUME, "Slices lack their position."))
    along = np.subtract(last.image_position_mm, first.image_position_mm) / (distances[-1] - distances[0])
    row_direction, column_direction = np.array(first.image_orientation).reshape(2, 3)
    between_rows, between_columns = first.pixel_spacing_mm or (1.0, 1.0)
    return Volume(
        voxels_hu=voxels,
        origin_mm=first.image_position_mm,
        slice_step_mm=_vector(along * spacing),
        row_step_mm=_vector(column_direction * between_rows),
        column_step_mm=_vector(row_direction * between_columns),
    )


def _distinct(geometry: SeriesGeometry) -> tuple[list[int], list[float]]:
    order, distances = [geometry.order[0]], [geometry.distances_mm[0]]
    for i, distance in zip(geometry.order[1:], geometry.distances_mm[1:], strict=True):
        if distance - distances[-1] > DUPLICATE_FRACTION * geometry.spacing_mm:
            order.append(i)
            distances.append(distance)
    return order, distances


def _require_rescale(stack: Sequence[InstanceHeader]) -> None:
    """Stored values of CT are no HU by themselves (PS3.3 C.8.2.1): taken for them, air may be denser than bone."""
    n = sum(h.modality == "CT" and (not h.rescale_slope or h.rescale_intercept is None) for h in stack)
    if n:
        text = f"{n} of {len(stack)} slices lack Rescale Slope or Intercept: what HU their values are is not known."
        raise OutOfScopeError(ScopeReason(ScopeCode.UNREADABLE_PIXELS, text))


def _read_stack(stack: Sequence[InstanceHeader], open_instance: OpenInstance) -> Voxels:
    voxels = np.empty((len(stack), stack[0].rows or 0, stack[0].columns or 0), np.float32)
    n_unreadable = 0
    buffer = bytearray(_FIRST_BUFFER_BYTES)
    for k, header in enumerate(stack):
        with open_instance(header) as file:
            buffer, size = _read_into(buffer, file)
        try:
            read_hu(memoryview(buffer)[:size], voxels[k])
        except UnreadablePixelsError:
            n_unreadable += 1
    if n_unreadable:
        text = f"Pixels of {n_unreadable} of {len(stack)} slices cannot be read."
        raise OutOfScopeError(ScopeReason(ScopeCode.UNREADABLE_PIXELS, text))
    return voxels


def _read_into(buffer: bytearray, file: BinaryIO) -> tuple[bytearray, int]:
    """Read a whole file into a buffer that is used again: fresh memory for each file costs more than reading it."""
    size: int = file.readinto(buffer)  # type: ignore[attr-defined]
    while size == len(buffer):
        buffer = buffer + bytes(len(buffer))
        size += file.readinto(memoryview(buffer)[size:])  # type: ignore[attr-defined]
    return buffer, size


def _vector(values: npt.NDArray[np.float64]) -> Vector:
    x, y, z = (float(value) for value in values)
    return (x, y, z)
