"""Raw values of elements as a header has them; what pydicom would read in another way, or might, raises. Pure."""

from __future__ import annotations

import math
from functools import lru_cache

from voorrang.dicom.element_walking import OddDataSetError

_LONGEST_LIST_BYTES = 1024
_PADDING = " \0"
_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}


def without_padding(value: bytes) -> bytes:
    """Return a value without the spaces and NULs at its end."""
    return value.rstrip(b" \0")


@lru_cache(maxsize=64)
def words(value: bytes, encoding: str) -> tuple[str, ...]:
    """Return the values of a list of texts, trimmed and in upper case; kept, since a series repeats them."""
    if len(value) > _LONGEST_LIST_BYTES or b"\x1b" in value:
        raise OddDataSetError
    text = value.decode(encoding).rstrip(_PADDING)
    return tuple(word.strip(_PADDING).upper() for word in text.split("\\")) if text else ()


def paragraph(value: bytes, encoding: str) -> str:
    """Return a text that may have lines and backslashes."""
    if b"\x1b" in value:
        raise OddDataSetError
    return value.decode(encoding).strip(_PADDING).replace("\0", "")


def decimal(value: bytes) -> float | None:
    """Return a decimal string (VR DS) of one value; None when it is empty."""
    text = without_padding(value)
    if not text:
        return None
    number = float(text)
    if not math.isfinite(number):
        raise OddDataSetError
    return number


def integer(value: bytes) -> int | None:
    """Return an integer string (VR IS) of one value; None when it is empty."""
    number = decimal(value)
    return None if number is None else int(number)


@lru_cache(maxsize=256)
def decimals(value: bytes, count: int) -> tuple[float, ...] | None:
    """Return so many decimal strings, None when there are others; kept, since a series repeats most of them."""
    if len(value) > _LONGEST_LIST_BYTES:
        raise OddDataSetError
    text = without_padding(value)
    if not text:
        return None
    numbers = tuple(map(float, text.split(b"\\")))
    if not all(map(math.isfinite, numbers)):
        raise OddDataSetError
    return numbers if len(numbers) == count else None


def unsigned_short(value: bytes) -> int | None:
    """Return a binary number of 16 bits (VR US); None when it is empty."""
    if len(value) == 2:
        return int.from_bytes(value, "little")
    if value:
        raise OddDataSetError
    return None


def age_years(text: str) -> float | None:
    """Return an age string (VR AS, PS3.5 6.2) in years: three digits and D, W, M or Y."""
    if len(text) == 4 and text[:3].isdigit() and text[3] in _PER_YEAR:
        return int(text[:3]) / _PER_YEAR[text[3]]
    return None
