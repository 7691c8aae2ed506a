"""An instance as it was received: its header, whose it is, where it lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar

from pydicom import dcmread

from voorrang.dicom.header_reading import header_from_dataset
from voorrang.dicom.headers import InstanceHeader
from voorrang.identifiers import SiteKeys
from voorrang.identity import PatientIdentity, StudyIdentity
from voorrang.purpose import Purpose

if TYPE_CHECKING:
    from pydicom import Dataset

T = TypeVar("T")


class UnreadableInstanceError(Exception):
    """The bytes are not a data set that can be read as far as its pixels."""


@dataclass(frozen=True, slots=True)
class ReceivedInstance:
    """What intake needs of one stored instance."""

    header: InstanceHeader
    identity: StudyIdentity
    purpose: Purpose
    sender: str
    locator: str
    size_bytes: int
    received_at: datetime
    is_conflict: bool


@dataclass(frozen=True, slots=True)
class RefusedInstance:
    """What was refused: the reason, and the locator in quarantine when the bytes were kept."""

    reason: str
    locator: str | None
    at: datetime


def read_head(part10: bytes) -> Dataset:
    """
    Read a Part 10 file up to its pixels.

    Raises
    ------
    UnreadableInstanceError
        When that is not possible, for whatever reason.
    """
    try:
        ds = dcmread(BytesIO(part10), stop_before_pixels=True, force=True)
        ds.get("StudyInstanceUID")
    except Exception as error:
        raise UnreadableInstanceError(type(error).__name__) from error
    return ds


def header_and_identity(ds: Dataset, keys: SiteKeys, default_issuer: str) -> tuple[InstanceHeader, StudyIdentity]:
    """
    Split what was read into the header, which travels, and the identity, which does not.

    Parameters
    ----------
    ds
        Head of a Part 10 file.
    keys
        Makes the opaque keys.
    default_issuer
        Domain of ids that name no issuer, by the sender's rule.

    Raises
    ------
    UnreadableInstanceError
        When an element is of a kind that no header can be made of.
    """
    header = _header(ds)
    patient_issuer = _text(ds, "IssuerOfPatientID") or default_issuer
    patient_id = _text(ds, "PatientID")
    accession = _text(ds, "AccessionNumber")
    order_issuer = _order_issuer(ds) or default_issuer
    # Without an id a patient is known by this study alone: nobody is taken for somebody else.
    patient_key = keys.patient_key(patient_issuer, patient_id or f"study:{header.study_instance_uid}")
    patient = PatientIdentity(
        patient_key,
        patient_id,
        patient_issuer,
        _text(ds, "PatientName"),
        _text(ds, "PatientBirthDate"),
        _text(ds, "PatientSex"),
    )
    identity = StudyIdentity(
        header.study_instance_uid,
        patient,
        keys.order_key(order_issuer, accession) if accession else "",
        accession,
        order_issuer if accession else "",
        header.study_description,
    )
    return header, identity


def _header(ds: Dataset) -> InstanceHeader:
    try:
        header = header_from_dataset(ds, str(getattr(ds.file_meta, "TransferSyntaxUID", "")))
    except Exception as error:
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
    except Exception:  # noqa: BLE001 - one malformed element reads as absent; the bytes are kept as received
        return None
