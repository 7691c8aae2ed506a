"""DICOM instances of one CT series, made in memory."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from voorrang.dicom.header_reading import header_from_dataset
from voorrang.dicom.headers import InstanceHeader, Vector

SERIES_UID = "1.2.826.0.1.3680043.8.498.7"


def make_instance(
    pixels: npt.NDArray[np.integer],
    *,
    number: int = 1,
    position_mm: Vector = (0.0, 0.0, 0.0),
    orientation: Sequence[float] = (1, 0, 0, 0, 1, 0),
    pixel_spacing_mm: tuple[float, float] = (0.8, 0.6),
    bits_stored: int = 16,
    slope: float | None = 1.0,
    intercept: float | None = -1024.0,
    transfer_syntax: str = ExplicitVRLittleEndian,
    series_uid: str = SERIES_UID,
    extra: dict[str, Any] | None = None,
) -> Dataset:
    """
    Make one CT instance.

    Parameters
    ----------
    pixels
        Stored values, int16 or uint16 of shape (rows, columns).
    number
        Instance number; also the end of its UID.
    position_mm, orientation, pixel_spacing_mm
        Where it lies (LPS), and its spacing between rows and between columns.
    bits_stored
        Of 16 allocated.
    slope, intercept
        Rescale; None leaves the element out.
    transfer_syntax
        An uncompressed one.
    series_uid
        Series Instance UID.
    extra
        Further elements by keyword.
    """
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = UID(f"{series_uid}.{number}")
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, f"{series_uid}.{number}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.826.0.1.3680043.8.498.6", series_uid
    ds.Modality, ds.InstanceNumber = "CT", number
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.ImagePositionPatient, ds.ImageOrientationPatient = list(position_mm), list(orientation)
    ds.PixelSpacing, ds.SliceThickness = list(pixel_spacing_mm), 3.0
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, bits_stored, bits_stored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    if slope is not None:
        ds.RescaleSlope = slope
    if intercept is not None:
        ds.RescaleIntercept = intercept
    for keyword, value in (extra or {}).items():
        setattr(ds, keyword, value)
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def as_file(ds: Dataset) -> bytes:
    """Return the Part 10 file of a data set."""
    file = BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


class InMemorySeries:
    """Headers and files of a series, with an `open_instance` that keeps what it opened in a visible list."""

    def __init__(self, instances: Sequence[Dataset]) -> None:
        self.files = {str(ds.SOPInstanceUID): as_file(ds) for ds in instances}
        self.headers = [_header(data) for data in self.files.values()]
        self.opened: list[str] = []

    def open_instance(self, header: InstanceHeader) -> BinaryIO:
        """Open the file of a header."""
        self.opened.append(header.sop_instance_uid)
        return BytesIO(self.files[header.sop_instance_uid])


def _header(data: bytes) -> InstanceHeader:
    ds = dcmread(BytesIO(data), stop_before_pixels=True)
    return header_from_dataset(ds, str(ds.file_meta.TransferSyntaxUID))
