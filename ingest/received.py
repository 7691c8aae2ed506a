"""What an instance says of itself and of whose it is, read with pydicom: slow, and lenient about everything."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from io import BytesIO
from typing import Any, TypeVar

from pydicom import Dataset, dcmread
from pydicom.filereader import read_dataset, read_partial
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from voorrang.dicom.header_reading import header_from_dataset
from voorrang.dicom.headers import InstanceHeader

T = TypeVar("T")
HEAD_BYTES = 256 << 10  # the beginning of a file that is enough to read its head
MAX_INFLATED_BYTES = 4 << 20  # a few kB can inflate to gigabytes
_LAST_GROUP = 0x0040  # what is read of a head lies before; the frames of enhanced images are described behind


class UnreadableInstanceError(Exception):
    """The bytes are not a data set that can be read as far as its pixels."""


@dataclass(frozen=True, slots=True)
class ReceivedHead:
    """The header, which travels, and the elements that say whose the instance is, which do not."""

    header: InstanceHeader
    patient_id: str
    patient_issuer: str
    patient_name: str
    patient_birth_date: str
    patient_sex: str
    accession_number: str
    order_issuer: str


def read_head(part10: bytes, *, is_whole: bool = True) -> Dataset:
    """
    Read a Part 10 file up to its pixels.

    Parameters
    ----------
    part10
        The file, or its beginning.
    is_whole
        Whether it is all of it; of a beginning that ends within the description of frames, what comes before is read.

    Raises
    ------
    UnreadableInstanceError
        When that is not possible, for whatever reason.
    """
    try:
        ds = _read(part10, is_whole)
        ds.get("StudyInstanceUID")
    except Exception as error:  # the listener refuses it, and recovery passes over it: both say so
        raise UnreadableInstanceError(type(error).__name__) from error
    return ds


def read_file_meta(ds: Dataset) -> Dataset:
    """
    Return group 0002 of a head, every value of it read: pydicom looks at one when it is asked for.

    Raises
    ------
    UnreadableInstanceError
        When a value cannot be read, as where a crash of the machine left a part of it.
    """
    try:
        list(ds.file_meta)
    except Exception as error:  # recovery passes over it, and says so
        raise UnreadableInstanceError(type(error).__name__) from error
    return ds.file_meta


def sender_of(ds: Dataset) -> str:
    """Return who sent a file of ours (0002,0017); empty where that cannot be read."""
    return _text(getattr(ds, "file_meta", Dataset()), "SendingApplicationEntityTitle")


def _read(part10: bytes, is_whole: bool) -> Dataset:
    data_set_at = 144 + int.from_bytes(part10[140:144], "little")  # PS3.10 section 7.1
    meta = dcmread(BytesIO(part10[:data_set_at]), force=True)
    if meta.file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        return _read_deflated(part10[data_set_at:], meta)
    try:
        return dcmread(BytesIO(part10), stop_before_pixels=True, force=True)
    except Exception:  # of a beginning the head is tried alone; what fails then is unreadable to `read_head`
        if is_whole:
            raise
        return read_partial(BytesIO(part10), _is_behind_head, force=True)


def _read_deflated(data_set: bytes, meta: Dataset) -> Dataset:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(data_set, MAX_INFLATED_BYTES)
    stop = _is_pixels if inflater.eof else _is_behind_head
    ds = read_dataset(BytesIO(inflated), is_implicit_VR=False, is_little_endian=True, stop_when=stop)
    ds.file_meta = meta.file_meta
    return ds


def _is_behind_head(tag: BaseTag, vr: str | None, length: int) -> bool:  # noqa: ARG001 - as pydicom asks
    return tag.group > _LAST_GROUP


def _is_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:  # noqa: ARG001 - as pydicom asks
    return tag.group >= 0x7FE0


def received_head(ds: Dataset) -> ReceivedHead:
    """
    Take out of a head what is kept.

    Raises
    ------
    UnreadableInstanceError
        When an element is of a kind that no header can be made of.
    """
    return ReceivedHead(
        header=_header(ds),
        patient_id=_text(ds, "PatientID"),
        patient_issuer=_text(ds, "IssuerOfPatientID"),
        patient_name=_text(ds, "PatientName"),
        patient_birth_date=_text(ds, "PatientBirthDate"),
        patient_sex=_text(ds, "PatientSex"),
        accession_number=_text(ds, "AccessionNumber"),
        order_issuer=_order_issuer(ds),
    )


def _header(ds: Dataset) -> InstanceHeader:
    try:
        header = header_from_dataset(ds, str(getattr(ds.file_meta, "TransferSyntaxUID", "")))
    except Exception as error:  # the listener refuses it, and recovery passes over it: both say so
        raise UnreadableInstanceError(type(error).__name__) from error
    values = {field.name: getattr(header, field.name) for field in fields(header)}
    without_nul: dict[str, Any] = {
        k: v.replace("\0", "") for k, v in values.items() if isinstance(v, str) and "\0" in v
    }
    return replace(header, **without_nul)  # PostgreSQL takes no NUL in a text


def _order_issuer(ds: Dataset) -> str:
    return _value(ds, "IssuerOfAccessionNumberSequence", lambda items: _text(items[0], "LocalNamespaceEntityID")) or ""


def _text(ds: Dataset, keyword: str) -> str:
    return _value(ds, keyword, lambda value: str(value).replace("\0", "").strip()) or ""


def _value(ds: Dataset, keyword: str, read: Callable[[Any], T]) -> T | None:
    try:
        value = ds.get(keyword)
        return None if value is None else read(value)
    except Exception:  # noqa: BLE001 - a malformed element reads as absent: the image is stored, its bytes as received
        return None
