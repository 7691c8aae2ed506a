"""The slices that are sent: noise, so that nothing compresses, under a header such as a scanner writes."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

ROOT_UID = "1.2.826.0.1.3680043.8.498.77"
FOLDERS = 24  # as many as the most associations at once, so that each can have its share
SERIES_SLICES = 300
_FIRST_STUDY = 1_000_000  # of fixed width: a study gets another number by writing over the one before
_FIRST_INSTANCE = 1_000_000
_IMPLEMENTATION_UID = UID("2.25.159648531409662966058311811293934391382")
_SEED = 4
_META_LENGTH_AT, _META_AT = 140, 144  # PS3.10 section 7.1: the length of the file meta group, and what follows it


@dataclass(slots=True)
class Batch:
    """
    Files of one study, in folders; the same pixels go out under new UIDs each time.

    Parameters
    ----------
    data
        Name of this kind of data in the rows.
    root
        Folder with the folders of files.
    files
        Every file.
    pixel_bytes
        Of one file: what a receiver keeps is never smaller.
    """

    data: str
    root: Path
    files: tuple[Path, ...]
    pixel_bytes: int
    study_instance_uid: str = ""
    _stamps: list[tuple[Path, list[int]]] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.files)

    @property
    def sop_instance_uid(self) -> str:
        """SOP Instance UID of the first file."""
        return f"{self.study_instance_uid}.1.{_FIRST_INSTANCE}"

    def shares(self, associations: int) -> list[list[Path]]:
        """Return the folders that each association sends; never more associations than folders."""
        folders = sorted({path.parent for path in self.files})
        return [folders[n::associations] for n in range(min(associations, len(folders)))]

    def stamp(self, study: int) -> None:
        """Give the files the UIDs of another study, in place: a receiver has never seen them then."""
        token = str(_FIRST_STUDY + study).encode()
        for path, offsets in self._stamps:
            descriptor = os.open(path, os.O_WRONLY)
            for offset in offsets:
                os.pwrite(descriptor, token, offset)
            os.close(descriptor)
        self.study_instance_uid = study_uid(study)


def make_batch(root: Path, data: str, count: int, rows: int) -> Batch:
    """
    Write slices.

    Parameters
    ----------
    root
        Folder; made.
    data
        Name of this kind of data.
    count
        How many.
    rows
        Rows and columns of each, two bytes a pixel.
    """
    rng = random.Random(_SEED)
    stamps = []
    for number in range(count):
        folder = root / f"{number % FOLDERS:02}"
        folder.mkdir(parents=True, exist_ok=True)
        head = header_bytes(number, rows)
        path = folder / f"{number:05}.dcm"
        path.write_bytes(head + rng.randbytes(2 * rows * rows))
        stamps.append((path, study_offsets(head)))
    batch = Batch(data, root, tuple(path for path, _ in stamps), 2 * rows * rows, _stamps=stamps)
    batch.stamp(0)
    return batch


def study_uid(study: int) -> str:
    """Return the Study Instance UID of a stamp."""
    return f"{ROOT_UID}.{_FIRST_STUDY + study}"


def study_offsets(head: bytes) -> list[int]:
    """Return where in a file the number of the study stands: in every UID that is ours."""
    needle, found, at = f"{ROOT_UID}.".encode(), [], 0
    while (at := head.find(needle, at)) >= 0:
        at += len(needle)
        found.append(at)
    return found


def header_bytes(number: int, rows: int) -> bytes:
    """Return a Part 10 file up to its pixels, which have to follow: `rows` times `rows` of two bytes."""
    ds = _slice(number, rows)
    ds.PixelData = bytes(2 * rows * rows)
    ds["PixelData"].VR = "OW"
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()[: -2 * rows * rows]


def data_set_of(part10: bytes) -> bytes:
    """Return what a file holds after its meta group: what goes over the network."""
    return part10[_META_AT + int.from_bytes(part10[_META_LENGTH_AT:_META_AT], "little") :]


def _slice(number: int, rows: int) -> Dataset:
    """Make the header of one slice of a chest CT: about 100 elements."""
    study = study_uid(0)
    series = f"{study}.{number // SERIES_SLICES + 1}"
    place = number % SERIES_SLICES
    position = [-170.5, -335.25, round(-450 + 1.0 * place, 2)]
    ds = Dataset()
    ds.update(_COMMON)
    ds.SOPInstanceUID = f"{series}.{_FIRST_INSTANCE + number}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, f"{study}.9.1"
    ds.SeriesNumber, ds.InstanceNumber = number // SERIES_SLICES + 1, place + 1
    ds.ImagePositionPatient, ds.SliceLocation = position, position[2]
    ds.TablePosition = position[2]
    ds.ContentTime = ds.AcquisitionTime = f"1015{place // 60 % 60:02}.{place:06}"
    ds.Rows = ds.Columns = rows
    ds.ReferencedStudySequence = [_reference("1.2.840.10008.3.1.2.3.1", f"{study}.8")]
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.ImplementationClassUID = _IMPLEMENTATION_UID
    return ds


def _reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
    return item


def _dataset(**elements: object) -> Dataset:
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


_COMMON = _dataset(
    SpecificCharacterSet="ISO_IR 100",
    ImageType=["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"],
    InstanceCreationDate="20261122",
    InstanceCreationTime="101512.345000",
    SOPClassUID=CTImageStorage,
    StudyDate="20261122",
    SeriesDate="20261122",
    AcquisitionDate="20261122",
    ContentDate="20261122",
    StudyTime="101000.000000",
    SeriesTime="101200.000000",
    AccessionNumber="BENCH0001",
    Modality="CT",
    Manufacturer="voorrang",
    InstitutionName="AZ Voorbeeld",
    InstitutionAddress="Voorbeeldlaan 1, 3000 Leuven, BE",
    ReferringPhysicianName="Voorbeeld^Verwijzer",
    StationName="CTBENCH1",
    StudyDescription="CT thorax zonder contrast",
    SeriesDescription="Thorax 1.0 Br40 S3",
    InstitutionalDepartmentName="Radiologie",
    PhysiciansOfRecord="Voorbeeld^Arts",
    PerformingPhysicianName="Voorbeeld^Uitvoerder",
    OperatorsName="MTRA",
    ManufacturerModelName="Synthetic CT",
    PatientName="Bench^Nobody",
    PatientID="BENCH-1",
    IssuerOfPatientID="AZVOORBEELD",
    PatientBirthDate="19600101",
    PatientSex="O",
    PatientAge="066Y",
    PatientSize="1.75",
    PatientWeight="75",
    PatientComments="",
    BodyPartExamined="CHEST",
    ScanOptions="HELICAL MODE",
    SliceThickness="1.0",
    KVP="120",
    DataCollectionDiameter="500",
    DeviceSerialNumber="12345",
    SoftwareVersions=["syngo CT 2012B", "VA44A"],
    ProtocolName="05_THORAX_BLANCO",
    ReconstructionDiameter="350",
    DistanceSourceToDetector="1085.6",
    DistanceSourceToPatient="595",
    GantryDetectorTilt="0",
    TableHeight="163",
    RotationDirection="CW",
    ExposureTime="500",
    XRayTubeCurrent="220",
    Exposure="110",
    FilterType="FLAT",
    GeneratorPower="26",
    FocalSpots="1.2",
    DateOfLastCalibration="20261122",
    TimeOfLastCalibration="070000.000000",
    ConvolutionKernel=["Br40f", "3"],
    PatientPosition="HFS",
    SingleCollimationWidth=0.6,
    TotalCollimationWidth=38.4,
    TableSpeed=46.0,
    TableFeedPerRotation=23.0,
    SpiralPitchFactor=0.6,
    ExposureModulationType="XYZ_EC",
    EstimatedDoseSaving=22.4,
    CTDIvol=7.4,
    CTDIPhantomTypeCodeSequence=[_dataset(CodeValue="113691", CodingSchemeDesignator="DCM", CodeMeaning="Body")],
    CalciumScoringMassFactorDevice=[0.76, 0.78, 0.8],
    StudyID="1",
    AcquisitionNumber="2",
    ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
    PositionReferenceIndicator="",
    ImageComments="Synthetic: nobody was scanned",
    SamplesPerPixel=1,
    PhotometricInterpretation="MONOCHROME2",
    PixelSpacing=["0.68359375", "0.68359375"],
    BitsAllocated=16,
    BitsStored=16,
    HighBit=15,
    PixelRepresentation=1,
    SmallestImagePixelValue=0,
    LargestImagePixelValue=4095,
    BurnedInAnnotation="NO",
    WindowCenter=["40", "-600"],
    WindowWidth=["400", "1200"],
    RescaleIntercept="-1024",
    RescaleSlope="1",
    RescaleType="HU",
    WindowCenterWidthExplanation=["WINDOW1", "WINDOW2"],
    LossyImageCompression="00",
    RequestingPhysician="Voorbeeld^Aanvrager",
    RequestingService="Spoed",
    RequestedProcedureDescription="CT thorax zonder contrast",
    PerformedProcedureStepStartDate="20261122",
    PerformedProcedureStepStartTime="101000.000000",
    PerformedProcedureStepID="PPS1",
    PerformedProcedureStepDescription="CT thorax",
    CommentsOnThePerformedProcedureStep="",
    PresentationLUTShape="IDENTITY",
)
