"""Pixels of one instance by pydicom: compressed ones by the fastest decoder that we ship, and whatever is odd."""

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
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    JPEG2000,
    UID,
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

# Measured, 60 slices of 512x512: JPEG-LS 6.4 ms by pyjpegls, 7.2 by gdcm; RLE 1.6 ms by pylibjpeg, 3.7 by pydicom; JPEG
# 2000 about 38 ms by all, all being OpenJPEG. The others have one decoder each.
FASTEST = {
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    RLELossless: "pylibjpeg",
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
}


class UnreadablePixelsError(Exception):
    """The pixels of an instance cannot be read, by any decoder at hand."""


@dataclass(frozen=True, slots=True)
class StoredPixels:
    """Stored values of shape (rows, columns), Rescale Slope and Intercept, and the lowest and highest padding."""

    values: npt.NDArray[np.integer]
    slope: float
    intercept: float
    padding: tuple[int, int] | None


def decode_pixels(instance: bytes) -> StoredPixels:
    """
    Read the stored values of one instance.

    Parameters
    ----------
    instance
        A whole DICOM file.

    Raises
    ------
    UnreadablePixelsError
        When pydicom does not give a single monochrome frame.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they may quote element values
            ds = dcmread(BytesIO(instance), force=instance[128:132] != b"DICM")
            plugin = _plugin(ds)
            if plugin:
                ds.pixel_array_options(decoding_plugin=plugin)
            values = ds.pixel_array
        if values.ndim != 2:
            raise UnreadablePixelsError(f"pixels of shape {values.shape}, a single frame is expected")
        scale = (_element_or(ds, "RescaleSlope", 1.0), _element_or(ds, "RescaleIntercept", 0.0))
        limits = _padding(ds)
        return StoredPixels(values, *scale, (min(limits), max(limits)) if limits else None)
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


def _plugin(ds: Dataset) -> str:
    """Return the fastest decoder where it is installed; pydicom's own choice is made otherwise."""
    syntax = UID(str(ds.file_meta.get("TransferSyntaxUID", ""))) if hasattr(ds, "file_meta") else UID("")
    wanted = FASTEST.get(syntax, "")
    return wanted if wanted and wanted in get_decoder(syntax).available_plugins else ""


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
