"""
Pixels of one instance in Hounsfield units.

Uncompressed little-endian instances are read at the offset of their Pixel Data; whatever is odd on the way is left to
pydicom, which is slower and knows more.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from inference.decoding import StoredPixels, UnreadablePixelsError, decode_pixels
from inference.pixel_elements import OddPixelsError, find_pixels

__all__ = ["PADDING_HU", "UnreadablePixelsError", "read_hu"]

PADDING_HU = -1024.0


def read_hu(instance: bytes | bytearray | memoryview, hu: npt.NDArray[np.float32]) -> None:
    """
    Read the pixels of one instance: HU by Rescale Slope and Intercept (PS3.3 C.11.1).

    Padding (PS3.3 C.7.5.1.1.2) becomes -1024 HU, nothing else is clipped.

    Parameters
    ----------
    instance
        A whole DICOM file (PS3.10).
    hu
        Written to; float32 of shape (rows, columns).

    Raises
    ------
    UnreadablePixelsError
        When neither the direct way nor pydicom gives a single monochrome frame of that shape.
    """
    try:
        stored = _read_directly(instance)
    except OddPixelsError:
        stored = decode_pixels(bytes(instance))
    values = stored.values
    if values.shape != hu.shape:
        raise UnreadablePixelsError(f"pixels of shape {values.shape}, {hu.shape} is expected")
    hu[...] = values
    if stored.slope != 1.0:
        hu *= np.float32(stored.slope)
    hu += np.float32(stored.intercept)
    if stored.padding is not None:
        low, high = stored.padding
        is_padding = values == low if low == high else (values >= low) & (values <= high)
        hu[is_padding] = PADDING_HU


def _read_directly(instance: bytes | bytearray | memoryview) -> StoredPixels:
    found = find_pixels(instance)
    values: npt.NDArray[np.integer] = np.frombuffer(
        instance, found.dtype, found.rows * found.columns, found.offset
    ).reshape(found.rows, found.columns)
    if found.bits_stored < 16:
        values = _without_unused_bits(values, found.bits_stored, is_signed=found.is_signed)
    return StoredPixels(values, found.slope, found.intercept, found.padding)


def _without_unused_bits(
    values: npt.NDArray[np.integer], bits_stored: int, *, is_signed: bool
) -> npt.NDArray[np.integer]:
    """Return the stored values; unused high bits may hold anything, and in most instances hold nothing."""
    span = 1 << bits_stored
    lowest = -span // 2 if is_signed else 0
    if values.max() < lowest + span and (not is_signed or values.min() >= lowest):
        return values
    unused = 16 - bits_stored
    return (values << unused) >> unused
