"""Reads a header from a pydicom data set."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from pydicom import Dataset

from voorrang.dicom.headers import InstanceHeader
from voorrang.dicom.raw_values import age_years


def header_from_dataset(ds: Dataset, transfer_syntax_uid: str) -> InstanceHeader:
    """
    Read the header of a data set; lenient, since one odd element must not lose an image.

    Parameters
    ----------
    ds
        A pydicom data set with at least the three instance UIDs.
    transfer_syntax_uid
        The syntax that the data set came in.

    Returns
    -------
    InstanceHeader
        What could be read; an element that could not be is None or empty.
    """
    return InstanceHeader(
        study_instance_uid=_text(ds, "StudyInstanceUID"),
        series_instance_uid=_text(ds, "SeriesInstanceUID"),
        sop_instance_uid=_text(ds, "SOPInstanceUID"),
        sop_class_uid=_text(ds, "SOPClassUID"),
        transfer_syntax_uid=transfer_syntax_uid,
        modality=_text(ds, "Modality").upper(),
        image_type=_texts(ds, "ImageType"),
        instance_number=_integer(ds, "InstanceNumber"),
        number_of_frames=_integer(ds, "NumberOfFrames"),
        rows=_integer(ds, "Rows"),
        columns=_integer(ds, "Columns"),
        pixel_spacing_mm=_numbers(ds, "PixelSpacing", 2),  # type: ignore[arg-type]
        image_position_mm=_numbers(ds, "ImagePositionPatient", 3),  # type: ignore[arg-type]
        image_orientation=_numbers(ds, "ImageOrientationPatient", 6),  # type: ignore[arg-type]
        slice_thickness_mm=_number(ds, "SliceThickness"),
        frame_of_reference_uid=_text(ds, "FrameOfReferenceUID"),
        rescale_slope=_number(ds, "RescaleSlope"),
        rescale_intercept=_number(ds, "RescaleIntercept"),
        gantry_tilt_degrees=_number(ds, "GantryDetectorTilt"),
        convolution_kernel="\\".join(_texts(ds, "ConvolutionKernel")),
        contrast_bolus_agent=_text(ds, "ContrastBolusAgent"),
        body_part_examined=_text(ds, "BodyPartExamined").upper(),
        study_description=_text(ds, "StudyDescription"),
        series_description=_text(ds, "SeriesDescription"),
        protocol_name=_text(ds, "ProtocolName"),
        image_comments=_text(ds, "ImageComments"),
        manufacturer=_text(ds, "Manufacturer"),
        manufacturer_model_name=_text(ds, "ManufacturerModelName"),
        patient_age_years=age_years(_text(ds, "PatientAge")),
        study_date=_text(ds, "StudyDate"),
    )


def _value(ds: Dataset, keyword: str) -> Any:
    try:
        return ds.get(keyword)
    except (ValueError, TypeError, OverflowError, NotImplementedError, LookupError, OSError):
        return None  # a malformed element reads as absent; the bytes are kept as received


def _text(ds: Dataset, keyword: str) -> str:
    value = _value(ds, keyword)
    return "" if value is None else str(value).strip(" \0")


def _texts(ds: Dataset, keyword: str) -> tuple[str, ...]:
    value = _value(ds, keyword)
    if value is None or value == "":
        return ()
    items = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    return tuple(str(item).strip(" \0").upper() for item in items)


def _number(ds: Dataset, keyword: str) -> float | None:
    return _finite(_value(ds, keyword))


def _integer(ds: Dataset, keyword: str) -> int | None:
    number = _number(ds, keyword)
    return None if number is None else int(number)


def _numbers(ds: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    value = _value(ds, keyword)
    if value is None or isinstance(value, str) or not hasattr(value, "__iter__"):
        return None
    numbers = [_finite(item) for item in value]
    if len(numbers) != count or any(number is None for number in numbers):
        return None
    return tuple(number for number in numbers if number is not None)


def _finite(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
