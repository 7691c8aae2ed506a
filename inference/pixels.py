"""
Pixels of one instance in Hounsfield units.

Uncompressed little-endian instances are read at the offset of their Pixel Data, found by walking the
elements; whatever is odd on the way is left to pydicom, which is slower and knows more.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

PADDING_HU = -1024.0

_IMPLICIT_LITTLE, _EXPLICIT_LITTLE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_SHORT_HEAD, _HEAD, _LENGTH = struct.Struct("<HH2sH"), struct.Struct("<HHI"), struct.Struct("<I")
_UNDEFINED = 0xFFFFFFFF
_DELIMITERS = 0xFFFE
_TRANSFER_SYNTAX, _PIXEL_DATA = 0x00020010, 0x7FE00010
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SAMPLES, _FRAMES, _ROWS, _COLUMNS = 0x00280002, 0x00280008, 0x00280010, 0x00280011
_ALLOCATED, _STORED, _HIGH_BIT, _SIGNED = 0x00280100, 0x00280101, 0x00280102, 0x00280103
_PADDING, _PADDING_LIMIT, _INTERCEPT, _SLOPE = 0x00280120, 0x00280121, 0x00281052, 0x00281053
_WANTED = frozenset(
    {_SAMPLES, _FRAMES, _ROWS, _COLUMNS, _ALLOCATED, _STORED, _HIGH_BIT, _SIGNED}
    | {_PADDING, _PADDING_LIMIT, _INTERCEPT, _SLOPE}
)


class UnreadablePixelsError(Exception):
    """The pixels of an instance cannot be read, by any decoder at hand."""


class _OddError(Exception):
    """The instance is not of the plain kind that is read directly."""


@dataclass(frozen=True, slots=True)
class _Stored:
    values: npt.NDArray[np.integer]
    slope: float
    intercept: float
    padding: tuple[int, int] | None


def read_hu(instance: bytes, hu: npt.NDArray[np.float32]) -> None:
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
    except (_OddError, struct.error, ValueError):
        stored = _read_with_pydicom(instance)
    if stored.values.shape != hu.shape:
        raise UnreadablePixelsError(f"pixels of shape {stored.values.shape}, {hu.shape} is expected")
    hu[...] = stored.values
    if stored.slope != 1.0:
        hu *= np.float32(stored.slope)
    hu += np.float32(stored.intercept)
    if stored.padding is not None:
        low, high = stored.padding
        hu[(stored.values >= low) & (stored.values <= high)] = PADDING_HU


def _read_directly(data: bytes) -> _Stored:
    elements, offset, length = _find_pixels(data)
    number = {tag: struct.unpack("<H", raw)[0] for tag, raw in elements.items() if len(raw) == 2}
    rows, columns, stored = number.get(_ROWS, 0), number.get(_COLUMNS, 0), number.get(_STORED, 0)
    is_plain = (
        number.get(_SAMPLES) == 1
        and number.get(_ALLOCATED) == 16
        and 1 <= stored <= 16
        and number.get(_HIGH_BIT) == stored - 1
        and number.get(_SIGNED) in (0, 1)
        and int(elements.get(_FRAMES, b"1") or b"1") == 1
    )
    if not is_plain or rows * columns == 0 or not rows * columns * 2 <= length <= len(data) - offset:
        raise _OddError
    dtype = np.dtype("<i2" if number[_SIGNED] else "<u2")
    values = np.frombuffer(data, dtype, rows * columns, offset).reshape(rows, columns)
    span = 1 << stored
    lowest = -span // 2 if number[_SIGNED] else 0
    if values.min() < lowest or values.max() >= lowest + span:  # unused high bits may hold anything
        values = (values << (16 - stored)) >> (16 - stored)
    limits = [int(np.frombuffer(elements[t], dtype)[0]) for t in (_PADDING, _PADDING_LIMIT) if elements.get(t)]
    return _Stored(values, _decimal(elements.get(_SLOPE), 1.0), _decimal(elements.get(_INTERCEPT), 0.0), _range(limits))


def _decimal(raw: bytes | None, default: float) -> float:
    text = (raw or b"").strip(b" \0")
    return float(text) if text else default


def _range(limits: list[int]) -> tuple[int, int] | None:
    """Padding value and limit in either order; the limit alone means nothing."""
    return (min(limits), max(limits)) if limits else None


def _find_pixels(data: bytes) -> tuple[dict[int, bytes], int, int]:
    """Walk the elements to the Pixel Data; return the wanted ones, its offset and its length."""
    if data[128:132] != b"DICM":
        raise _OddError
    position, syntax = 132, b""
    while data[position : position + 2] == b"\x02\x00":
        tag, _, start, length = _element(data, position, is_explicit=True)
        if tag == _TRANSFER_SYNTAX:
            syntax = data[start : start + length]
        position = start + length
    name = syntax.rstrip(b"\0 ").decode("ascii", "replace")
    if name not in (_IMPLICIT_LITTLE, _EXPLICIT_LITTLE):
        raise _OddError
    is_explicit = name == _EXPLICIT_LITTLE
    elements: dict[int, bytes] = {}
    while True:
        tag, vr, start, length = _element(data, position, is_explicit=is_explicit)
        if tag == _PIXEL_DATA:
            return elements, start, length  # an undefined length is longer than any file: odd
        if tag in _WANTED:
            elements[tag] = data[start : start + length]
        position = _behind(data, vr, start, length, is_explicit=is_explicit)


def _behind(data: bytes, vr: bytes, start: int, length: int, *, is_explicit: bool) -> int:
    """Return the offset behind an element's value."""
    return _skip_items(data, start, vr, is_explicit=is_explicit) if length == _UNDEFINED else start + length


def _element(data: bytes, position: int, *, is_explicit: bool) -> tuple[int, bytes, int, int]:
    """Return tag, VR, offset of the value and its length (PS3.5 7.1)."""
    if is_explicit:
        group, element, vr, short = _SHORT_HEAD.unpack_from(data, position)
        if vr in _SHORT_VRS:
            return (group << 16) | element, vr, position + 8, short
        if vr in _LONG_VRS:
            return (group << 16) | element, vr, position + 12, _LENGTH.unpack_from(data, position + 8)[0]
        if group != _DELIMITERS:
            raise _OddError
    group, element, length = _HEAD.unpack_from(data, position)
    return (group << 16) | element, b"", position + 8, length


def _skip_items(data: bytes, position: int, vr: bytes, *, is_explicit: bool) -> int:
    """Return the offset behind a sequence of undefined length (PS3.5 7.5)."""
    if vr == b"UN":
        raise _OddError
    while True:
        tag, _, position, length = _element(data, position, is_explicit=is_explicit)
        if tag == _SEQUENCE_END:
            return position
        if tag != _ITEM:
            raise _OddError
        if length != _UNDEFINED:
            position += length
            continue
        while True:
            tag, inner_vr, position, length = _element(data, position, is_explicit=is_explicit)
            if tag == _ITEM_END:
                break
            position = _behind(data, inner_vr, position, length, is_explicit=is_explicit)


def _read_with_pydicom(data: bytes) -> _Stored:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they may quote element values
            ds = dcmread(BytesIO(data), force=data[128:132] != b"DICM")
            values = ds.pixel_array
        if values.ndim != 2:
            raise UnreadablePixelsError(f"pixels of shape {values.shape}, a single frame is expected")
        return _Stored(
            values,
            _element_or(ds, "RescaleSlope", 1.0),
            _element_or(ds, "RescaleIntercept", 0.0),
            _range(_padding(ds)),
        )
    # What decoders and odd elements are known to raise; InvalidDicomError is no subclass of the others.
    except (
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        RuntimeError,
        ArithmeticError,
        OSError,
    ) as error:
        raise UnreadablePixelsError(type(error).__name__) from error
    except (EOFError, AssertionError, struct.error, zlib.error, InvalidDicomError) as error:
        raise UnreadablePixelsError(type(error).__name__) from error


def _element_or(ds: Dataset, keyword: str, default: float) -> float:
    value = ds.get(keyword)
    return default if value is None or value == "" else float(value)


def _padding(ds: Dataset) -> list[int]:
    """Padding value and limit, read as the pixels are, whatever their VR says."""
    is_signed = ds.get("PixelRepresentation") == 1
    limits = [ds.get(keyword) for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    numbers = [int(limit) for limit in limits if limit is not None and limit != ""]
    if is_signed:
        return [number - 65536 if number > 32767 else number for number in numbers]
    return [number + 65536 if number < 0 else number for number in numbers]
