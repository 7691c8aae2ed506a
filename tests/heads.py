"""Heads of data sets as bytes, odd ones too, and what pydicom says of them."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import DataElement, Dataset
from pydicom.charset import convert_encodings
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ingest.received import UnreadableInstanceError, read_head, received_head
from voorrang.dicom.head_values import ScannedHead
from voorrang.dicom.header_scanning import scan_head
from voorrang.dicom.headers import InstanceHeader

EXPLICIT, IMPLICIT = str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)
SYNTAXES = (EXPLICIT, IMPLICIT)
DATA = Path(os.environ.get("VOORRANG_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@dataclass(frozen=True, slots=True)
class Known:
    """What both readers say."""

    header: InstanceHeader
    patient_id: str
    issuer_of_patient_id: str
    accession_number: str
    order_issuer: str


INTERESTING = [
    b"\0", b"\xff", b"\\", b"\x1b", b"\x1f", b" ", b"1", b".", b"\xe9", b"\xff\xff\xff\xff", b"SQ", b"UN", b"OB", b"LO",
    b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0", b"\xfe\xff\x00\xe0\xff\xff\xff\xff", b"\x08\x00\x05\x00",
    b"\xe0\x7f\x10\x00", b"\x28\x00\x10\x00US\x02\x00\x07\x00", b"\x10\x00\x20\x00LO\x02\x00AB", b"\x08\x00\x51\x00",
]  # fmt: skip


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Change a data set somewhere, most often in its head."""
    at = chance.randrange(max(1, len(data)))
    size = chance.choice((1, 2, 4, 8, 12, chance.randrange(64)))
    source = chance.randrange(max(1, len(data)))
    piece = chance.choice(INTERESTING)
    changed = (
        data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :],
        data[:at] + piece + data[at + len(piece) :],
        data[:at] + piece + data[at:],
        data[:at] + data[at + size :],
        data[: at + size] + data[at:],
        data[:at] + data[source : source + size] + data[at + size :],
        data[:at] + bytes(one ^ 1 << chance.randrange(8) for one in data[at : at + 1]) + data[at + 1 :],
        data[:at] if chance.random() < 0.2 else data,
    )
    return chance.choice(changed)


def mutable_heads() -> Iterator[Dataset]:
    """Make heads with all that the walk meets: sequences of either kind, nested ones, private and large elements."""
    yield make_head()
    for is_undefined in (True, False):
        head = make_head(StudyDescription="Crâne", ImageComments="one\r\ntwo")
        inner = make_item(ReferencedSOPInstanceUID="1.2", LocalNamespaceEntityID="inner")
        outer = make_item(ReferencedSOPClassUID="1.2.3", ReferencedImageSequence=[inner])
        head.ReferencedStudySequence = [outer, make_item(ReferencedSOPClassUID="1")]
        head.IssuerOfAccessionNumberSequence = [
            make_item(LocalNamespaceEntityID="RIS"),
            make_item(LocalNamespaceEntityID="x"),
        ]
        sequences = [head["ReferencedStudySequence"], outer["ReferencedImageSequence"]]
        for sequence in [*sequences, head["IssuerOfAccessionNumberSequence"]]:
            sequence.is_undefined_length = is_undefined
            for item in sequence.value:
                item.is_undefined_length_sequence_item = is_undefined
        head.add_new(0x00190010, "LO", "PRIVATE")
        head.add_new(0x00191001, "UN", b"1234")
        yield head


def make_head(**elements: Any) -> Dataset:
    """Make the head of a CT slice in which every wanted element is."""
    ds = Dataset()
    values: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 100", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SOPClassUID": CTImageStorage, "SOPInstanceUID": "1.2.3.4", "StudyDate": "20261122", "AccessionNumber": "A-1",
        "Modality": "CT", "Manufacturer": "Maker", "StudyDescription": "CT head", "SeriesDescription": "thin",
        "ManufacturerModelName": "Model", "PatientName": "A^B", "PatientID": " P-1", "IssuerOfPatientID": "H",
        "PatientBirthDate": "19600101", "PatientSex": "F", "PatientAge": "066Y", "ContrastBolusAgent": "",
        "BodyPartExamined": "head", "SliceThickness": "1.5", "ProtocolName": "P", "GantryDetectorTilt": "-18.5",
        "ConvolutionKernel": ["Hr40f", "2"], "StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.3",
        "InstanceNumber": 12, "ImagePositionPatient": ["-12.5", "3", "1e2"],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "FrameOfReferenceUID": "1.2.9", "ImageComments": "a\\b",
        "NumberOfFrames": 1, "Rows": 512, "Columns": 511, "PixelSpacing": [0.5, 0.25], "RescaleIntercept": -1024,
        "RescaleSlope": 1,
    }  # fmt: skip
    for keyword, value in {**values, **elements}.items():
        setattr(ds, keyword, value)
    return ds


def make_item(**elements: Any) -> Dataset:
    """Make an item of a sequence."""
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def encode(ds: Dataset, syntax: str, raw: Mapping[str, bytes] | None = None, *, with_pixels: bool = True) -> bytes:
    """Write a data set as it goes over the network, with any bytes at all under some keywords, and a few pixels."""
    encodings = convert_encodings(ds.get("SpecificCharacterSet"))
    pieces = {int(element.tag): encoded(element, syntax, encodings) for element in ds if element.tag < 0x7FE00000}
    for keyword, value in (raw or {}).items():
        tag = tag_for_keyword(keyword)
        assert tag is not None
        pieces[tag] = header_of(tag, dictionary_VR(tag), len(value), syntax) + value
    if with_pixels:
        pieces[0x7FE00010] = header_of(0x7FE00010, "OW", 32, syntax) + bytes(32)
    return b"".join(pieces[tag] for tag in sorted(pieces))


def encoded(element: DataElement, syntax: str, encodings: list[str]) -> bytes:
    """Write one element by pydicom."""
    ds = Dataset()
    ds.add(element)
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, syntax == IMPLICIT
    write_dataset(buffer, ds, encodings)
    return bytes(buffer.getvalue())


def header_of(tag: int, vr: str, length: int, syntax: str) -> bytes:
    """Write what precedes the value of an element (PS3.5 section 7.1)."""
    start = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
    if syntax == IMPLICIT:
        return start + length.to_bytes(4, "little")
    if vr in ("OW", "SQ", "UT"):
        return start + vr.encode() + b"\0\0" + length.to_bytes(4, "little")
    return start + vr.encode() + length.to_bytes(2, "little")


def part10(data: bytes, syntax: str) -> bytes:
    """Put the least that a file needs before a data set."""
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    return bytes(128) + b"DICM\x02\x00\x10\x00UI" + len(uid).to_bytes(2, "little") + uid + data


def asked_of_pydicom(data: bytes, syntax: str) -> Known | None:
    """Return what pydicom says of a data set; None when it cannot read it."""
    try:
        head = received_head(read_head(part10(data, syntax)))
    except UnreadableInstanceError:
        return None
    return Known(head.header, head.patient_id, head.patient_issuer, head.accession_number, head.order_issuer)


def says(scanned: ScannedHead) -> Known:
    """Return what a scan found, but for the bytes of the identity."""
    return Known(
        scanned.header,
        scanned.common.patient_id,
        scanned.common.issuer_of_patient_id,
        scanned.common.accession_number,
        scanned.common.order_issuer,
    )


def same_or_nothing(data: memoryview | bytes, syntax: str, is_whole: bool = False) -> ScannedHead | None:
    """Scan a data set, assert that pydicom says the same unless nothing was found, and return what was found."""
    scanned = scan_head(data, syntax, is_whole)
    assert scanned is None or says(scanned) == asked_of_pydicom(bytes(data), syntax)
    return scanned


def real_files(name: str) -> list[Path]:
    """Return the files of a folder of the real data; the test is skipped where it is not."""
    if not (DATA / name).is_dir():
        pytest.skip(f"no {name} in ../shared/data; VOORRANG_TEST_DATA names another place")
    return sorted(path for path in (DATA / name).iterdir() if path.is_file() and path.name not in {"LICENSE"})


def data_set_of(path: Path) -> tuple[bytes, str]:
    """Return the bytes after the file meta group, and the syntax that it names."""
    content = path.read_bytes()
    at = 132 if content[128:132] == b"DICM" else 0
    syntax = EXPLICIT
    while content[at : at + 2] == b"\x02\x00":
        is_long = content[at + 4 : at + 6] in (b"OB", b"UN")
        start = at + (12 if is_long else 8)
        end = start + int.from_bytes(content[at + 8 : start] if is_long else content[at + 6 : start], "little")
        if content[at + 2 : at + 4] == b"\x10\x00":
            syntax = content[start:end].rstrip(b"\0 ").decode("ascii")
        at = end
    return content[at:], syntax
