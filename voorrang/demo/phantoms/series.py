"""A phantom as a CT Image Storage series, with headers such as a scanner in a Belgian hospital writes."""

from __future__ import annotations

import random
import uuid
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from voorrang.demo.phantoms.canvas import Phantom

_INTERCEPT_HU = -1024
_CHARACTER_SET = "ISO_IR 192"  # UTF-8
_SECONDS_PER_SLICE = 0.25
_DAYS_PER_YEAR = 365.2425
_IMPLEMENTATION_UID = "2.25.159648531409662966058311811293934391382"
_IMPLEMENTATION_NAME = "VOORRANG_DEMO"


@dataclass(frozen=True, slots=True)
class Person:
    """A person who does not exist: `name` as DICOM writes it (family^given), sex M, F or O."""

    name: str
    patient_id: str
    birth_date: date
    sex: Literal["M", "F", "O"]


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What a protocol sets: the words in the header and the scanner's settings."""

    study_description: str
    series_description: str
    protocol_name: str
    body_part_examined: str
    convolution_kernel: str
    kvp: float = 120.0
    tube_current_ma: int = 220
    exposure_time_ms: int = 1000
    window_centre_hu: float = 40.0
    window_width_hu: float = 80.0
    patient_position: str = "HFS"


@dataclass(frozen=True, slots=True)
class StudyContext:
    """Who was scanned for which order, and when (local time; an aware time also gives the offset)."""

    person: Person
    accession_number: str
    acquired_at: datetime
    issuer: str = "AZVOORBEELD"
    institution: str = "AZ Voorbeeld"


def make_series(phantom: Phantom, acquisition: Acquisition, study: StudyContext, rng: random.Random) -> list[Dataset]:
    """
    Make the instances of one axial series, the lowest slice first.

    Parameters
    ----------
    phantom
        The voxels and where they lie.
    acquisition, study
        The rest of the header.
    rng
        Of the UIDs: the same state gives the same UIDs, whatever the voxels.

    Returns
    -------
    list of Dataset
        One per slice, with file meta information for Explicit VR Little Endian: `save_as` with
        `enforce_file_format=True` writes a Part 10 file, a C-STORE sends it as it is.

    Notes
    -----
    CT Image IOD, PS3.3 A.3. UIDs are UUIDs below 2.25, PS3.5 B.2.
    """
    common = _common_elements(phantom, acquisition, study, rng)
    return [_instance(common, phantom, study, index, make_uid(rng)) for index in range(phantom.grid.shape[0])]


def make_uid(rng: random.Random) -> UID:
    """Return a UID of a version 4 UUID that `rng` draws (PS3.5 B.2)."""
    return UID(f"2.25.{uuid.UUID(int=rng.getrandbits(128), version=4).int}")


def _common_elements(phantom: Phantom, acquisition: Acquisition, study: StudyContext, rng: random.Random) -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = _CHARACTER_SET
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = (make_uid(rng) for _ in range(3))
    _add_patient(ds, study)
    _add_study(ds, acquisition, study)
    _add_acquisition(ds, acquisition)
    _add_geometry(ds, phantom)
    _add_pixels(ds, acquisition)
    return ds


def _add_patient(ds: Dataset, study: StudyContext) -> None:
    person = study.person
    days = (study.acquired_at.date() - person.birth_date).days
    ds.PatientName = person.name
    ds.PatientID = person.patient_id
    ds.IssuerOfPatientID = study.issuer
    ds.PatientBirthDate = person.birth_date.strftime("%Y%m%d")
    ds.PatientSex = person.sex
    ds.PatientAge = f"{int(days / _DAYS_PER_YEAR):03d}Y"


def _add_study(ds: Dataset, acquisition: Acquisition, study: StudyContext) -> None:
    at = study.acquired_at
    for stem in ("Study", "Series", "Acquisition"):
        setattr(ds, f"{stem}Date", at.strftime("%Y%m%d"))
        setattr(ds, f"{stem}Time", at.strftime("%H%M%S"))
    if at.utcoffset() is not None:
        ds.TimezoneOffsetFromUTC = at.strftime("%z")[:5]
    issuer = Dataset()
    issuer.LocalNamespaceEntityID = study.issuer
    ds.AccessionNumber = study.accession_number
    ds.IssuerOfAccessionNumberSequence = [issuer]
    ds.StudyID = study.accession_number[-8:]
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = acquisition.study_description
    ds.InstitutionName = study.institution


def _add_acquisition(ds: Dataset, acquisition: Acquisition) -> None:
    ds.SOPClassUID = CTImageStorage
    ds.Modality = "CT"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SeriesDescription = acquisition.series_description
    ds.ProtocolName = acquisition.protocol_name
    ds.BodyPartExamined = acquisition.body_part_examined
    ds.PatientPosition = acquisition.patient_position
    ds.Laterality = ""
    ds.SeriesNumber, ds.AcquisitionNumber = 2, 1
    ds.PositionReferenceIndicator = ""
    ds.Manufacturer = "voorrang"
    ds.ManufacturerModelName = "Synthetic CT"
    ds.StationName = "CT1"
    ds.DeviceSerialNumber = "1"
    ds.SoftwareVersions = "1"
    ds.KVP = acquisition.kvp
    ds.XRayTubeCurrent = acquisition.tube_current_ma
    ds.ExposureTime = acquisition.exposure_time_ms
    ds.ConvolutionKernel = acquisition.convolution_kernel
    ds.GantryDetectorTilt = 0.0


def _add_geometry(ds: Dataset, phantom: Phantom) -> None:
    slice_mm, row_mm, column_mm = phantom.grid.spacing_mm
    ds.ImagesInAcquisition = phantom.grid.shape[0]
    ds.Rows, ds.Columns = phantom.grid.shape[1:]
    ds.SliceThickness = slice_mm
    ds.SpacingBetweenSlices = slice_mm
    ds.PixelSpacing = [row_mm, column_mm]
    ds.ReconstructionDiameter = round(phantom.grid.shape[1] * row_mm, 1)
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]


def _add_pixels(ds: Dataset, acquisition: Acquisition) -> None:
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.PixelRepresentation = 0
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = _INTERCEPT_HU, 1, "HU"
    ds.WindowCenter = acquisition.window_centre_hu
    ds.WindowWidth = acquisition.window_width_hu
    ds.BurnedInAnnotation = "NO"
    ds.ImageComments = "Synthetic: nobody was scanned"


def _instance(common: Dataset, phantom: Phantom, study: StudyContext, index: int, uid: UID) -> Dataset:
    x, y, z = phantom.grid.origin_mm
    z = round(z + index * phantom.grid.spacing_mm[0], 3)
    at = study.acquired_at + timedelta(seconds=index * _SECONDS_PER_SLICE)
    ds = Dataset()
    for element in common:
        ds.add(copy(element))  # an element set on one instance must not change the others
    ds.SOPInstanceUID = uid
    ds.InstanceNumber = index + 1
    ds.ContentDate, ds.ContentTime = at.strftime("%Y%m%d"), at.strftime("%H%M%S.%f")
    ds.ImagePositionPatient = [round(x, 4), round(y, 4), z]
    ds.SliceLocation = z
    stored = phantom.voxels_hu[index].astype(np.int32) - _INTERCEPT_HU
    ds.PixelData = stored.astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"
    ds.file_meta = _file_meta(uid)
    return ds


def _file_meta(uid: UID) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(_IMPLEMENTATION_UID)
    meta.ImplementationVersionName = _IMPLEMENTATION_NAME
    return meta
