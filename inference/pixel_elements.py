"""Finds the pixels of an uncompressed instance, and the elements that say how to read them; without pydicom."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voorrang.dicom.element_walking import READS, ElementWalk, OddDataSetError, Reads, Span, tag_key, vr_key
from voorrang.dicom.head_layouts import HeadLayouts
from voorrang.dicom.header_scanning import IMPLICIT_LITTLE_ENDIAN
from voorrang.dicom.part10 import split_part10

EXPLICIT_UNCOMPRESSED = "1.2.840.10008.1.2.1"
HEAD_BYTES = 32_768  # in which the elements before the pixels lie, of all but a few instances

_ELEMENTS = (
    (0x0028, 0x0002, "US"),  # 0 Samples per Pixel
    (0x0028, 0x0010, "US"),  # 1 Rows
    (0x0028, 0x0011, "US"),  # 2 Columns
    (0x0028, 0x0100, "US"),  # 3 Bits Allocated
    (0x0028, 0x0101, "US"),  # 4 Bits Stored
    (0x0028, 0x0102, "US"),  # 5 High Bit
    (0x0028, 0x0103, "US"),  # 6 Pixel Representation
    (0x0028, 0x0008, "IS"),  # 7 Number of Frames
    (0x0028, 0x1052, "DS"),  # 8 Rescale Intercept
    (0x0028, 0x1053, "DS"),  # 9 Rescale Slope
    (0x0028, 0x0120, "US"),  # 10 Pixel Padding Value
    (0x0028, 0x0121, "US"),  # 11 Pixel Padding Range Limit
)
_N_NUMBERS, _PADDING = 7, 10
_ABSENT: list[Span] = [(0, 0)] * len(_ELEMENTS)


def _wanted(vr_of_padding: str) -> dict[int, tuple[int, int]]:
    """Padding has the VR of the pixels: US or SS (PS3.3 C.7.5.1.1.2)."""
    vrs = [vr_of_padding if place >= _PADDING else vr for place, (_, _, vr) in enumerate(_ELEMENTS)]
    return {tag_key(g, e): (vr_key(vrs[place]), place) for place, (g, e, _) in enumerate(_ELEMENTS)}


_WANTED = (_wanted("US"), _wanted("SS"))
_PIXEL_DATA = b"\xe0\x7f\x10\x00"
_LENGTH = struct.Struct("<I")
_EXPLICIT_LAYOUTS: HeadLayouts[tuple[Span, ...]] = HeadLayouts(tuple)
_IMPLICIT_LAYOUTS: HeadLayouts[tuple[Span, ...]] = HeadLayouts(tuple)


class OddPixelsError(Exception):
    """The instance is not of the plain kind that is read directly."""


@dataclass(frozen=True, slots=True)
class PixelElements:
    """
    How the pixels of one instance are stored.

    Parameters
    ----------
    rows, columns
        Of the one frame.
    bits_stored
        The lowest of the 16 bits of each pixel; the others may hold anything.
    is_signed
        Two's complement.
    slope, intercept
        Rescale Slope and Intercept; 1 and 0 where they are absent.
    padding
        Lowest and highest stored value of padding; None without any.
    offset
        Of the first byte of the pixels in the file.
    """

    rows: int
    columns: int
    bits_stored: int
    is_signed: bool
    slope: float
    intercept: float
    padding: tuple[int, int] | None
    offset: int

    @property
    def dtype(self) -> np.dtype[np.integer]:
        """Of the stored values."""
        return np.dtype("<i2" if self.is_signed else "<u2")

    @property
    def size_bytes(self) -> int:
        """Bytes of the pixels."""
        return self.rows * self.columns * 2


def find_pixels(instance: bytes | bytearray | memoryview) -> PixelElements:
    """
    Find the pixels of an instance.

    Parameters
    ----------
    instance
        A whole DICOM file.

    Raises
    ------
    OddPixelsError
        For all that is not one uncompressed little-endian frame of one sample and 16 bits allocated, whole.
    """
    head = bytes(instance[:HEAD_BYTES])
    split = split_part10(head)
    if split is None:
        raise OddPixelsError
    syntax, data_set_at = split
    is_implicit = syntax == IMPLICIT_LITTLE_ENDIAN
    if not is_implicit and syntax != EXPLICIT_UNCOMPRESSED:
        raise OddPixelsError
    data_set = head[data_set_at:]
    spans = _spans(data_set, is_implicit=is_implicit)
    pixels_at = spans[-1][0]
    header = data_set[pixels_at - (8 if is_implicit else 12) : pixels_at]
    (length,) = _LENGTH.unpack(header[-4:])
    found = _elements([data_set[a:b] for a, b in spans[:-1]], data_set_at + pixels_at)
    # An undefined length is longer than any file.
    if header[:4] != _PIXEL_DATA or not found.size_bytes <= length <= len(instance) - found.offset:
        raise OddPixelsError
    return found


def _spans(data_set: bytes, *, is_implicit: bool) -> Sequence[Span]:
    """Return where the values lie and, last, where the pixels begin."""
    layouts = _IMPLICIT_LAYOUTS if is_implicit else _EXPLICIT_LAYOUTS
    known = layouts.find(data_set)
    if known is not None:
        return known
    for wanted in _WANTED:
        try:
            return _walked(data_set, wanted, layouts, is_implicit=is_implicit)
        except OddDataSetError:
            continue
    raise OddPixelsError


def _walked(
    data_set: bytes, wanted: dict[int, tuple[int, int]], layouts: HeadLayouts[tuple[Span, ...]], *, is_implicit: bool
) -> Sequence[Span]:
    spans = _ABSENT.copy()

    def walk(reads: Reads) -> int | None:
        walking = ElementWalk(data_set, wanted, spans, reads)
        return walking.implicit(is_whole=False) if is_implicit else walking.explicit(is_whole=False)

    pixels_at = walk(READS)
    if not pixels_at:
        raise OddPixelsError
    found = [*spans, (pixels_at, pixels_at)]
    layouts.meet(data_set, pixels_at, found, walk)
    return found


def _elements(values: list[bytes], offset: int) -> PixelElements:
    numbers = [int.from_bytes(value, "little") if len(value) == 2 else -1 for value in values[:_N_NUMBERS]]
    samples, rows, columns, allocated, stored, high_bit, representation = numbers
    frames, intercept, slope = (value.strip(b" \0") for value in values[_N_NUMBERS:_PADDING])
    is_plain = (samples, allocated, high_bit) == (1, 16, stored - 1) and representation in (0, 1)
    if not is_plain or not 1 <= stored <= 16 or min(rows, columns) < 1 or frames not in (b"", b"1"):
        raise OddPixelsError
    is_signed = representation == 1
    limits = [_number(value, is_signed=is_signed) for value in values[_PADDING:] if value]
    try:
        scale = (float(slope or b"1"), float(intercept or b"0"))
    except ValueError as error:
        raise OddPixelsError from error
    padding = (min(limits), max(limits)) if limits else None  # in either order
    return PixelElements(rows, columns, stored, is_signed, *scale, padding, offset)


def _number(value: bytes, *, is_signed: bool) -> int:
    if len(value) != 2:
        raise OddPixelsError
    return int.from_bytes(value, "little", signed=is_signed)
