"""Sends studies by real C-STORE, in order, and counts what was answered Success."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from voorrang.dicom.requesting import associate

SUCCESS = 0x0000
MAX_CONTEXTS = 128  # PS3.8 section 9.3.2.2: presentation context ids are odd bytes
Load = Callable[[], Dataset]


class SendError(Exception):
    """The listener could not be reached or did not take the association."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One study to send: its UID, what it needs negotiated, and how to get each instance."""

    study_instance_uid: str
    contexts: frozenset[tuple[str, str]]
    instances: tuple[Load, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of sending one study."""

    study_instance_uid: str
    accepted: int
    refused: int


def outgoing_study(instances: Sequence[Dataset]) -> Outgoing:
    """Return a study of data sets in memory."""
    contexts = frozenset((str(ds.SOPClassUID), str(ds.file_meta.TransferSyntaxUID)) for ds in instances)
    return Outgoing(str(instances[0].StudyInstanceUID), contexts, tuple(_keep(ds) for ds in instances))


def outgoing_folder(folder: Path) -> list[Outgoing]:
    """
    Find every study in a folder and all within it; what is not DICOM is left out.

    The studies go by their date and time, then by where they lie: as near to the order of arrival as files tell.
    """
    found: dict[str, list[tuple[Path, tuple[str, str]]]] = {}
    first: dict[str, tuple[str, str]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        head = _head(path)
        if head is None:
            continue
        uid = str(head.StudyInstanceUID)
        found.setdefault(uid, []).append((path, (str(head.SOPClassUID), str(head.file_meta.TransferSyntaxUID))))
        first.setdefault(uid, (str(head.get("StudyDate") or ""), str(head.get("StudyTime") or "")))
    return [
        Outgoing(
            uid,
            frozenset(context for _, context in found[uid]),
            tuple(_from_file(path) for path, _ in found[uid]),
        )
        for uid in sorted(found, key=lambda uid: first[uid])
    ]


def send_studies(studies: Iterable[Outgoing], host: str, port: int, ae_title: str) -> Iterator[Sent]:
    """
    Send each study on an association of its own.

    Raises
    ------
    SendError
        When the listener cannot be reached.
    """
    for study in studies:
        yield _send(study, host, port, ae_title)


def _send(study: Outgoing, host: str, port: int, ae_title: str) -> Sent:
    ae = AE(ae_title="VOORRANGDEMO")
    ae.add_requested_context(Verification)
    for sop_class, syntax in sorted(study.contexts)[: MAX_CONTEXTS - 1]:
        ae.add_requested_context(sop_class, syntax)
    association = associate(ae, host, port, ae_title)
    if not association.is_established:
        raise SendError(f"no association with {ae_title} at {host}:{port}")
    accepted = refused = 0
    for load in study.instances:
        try:
            status = association.send_c_store(load()).get("Status")
        except ValueError:  # pynetdicom: the context was not accepted, or the data set cannot be encoded
            status = None
        accepted += status == SUCCESS
        refused += status != SUCCESS
    association.release()
    return Sent(study.study_instance_uid, accepted, refused)


def _head(path: Path) -> Dataset | None:
    try:
        head = dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, OSError, ValueError, EOFError, NotImplementedError):
        return None
    needed = ("StudyInstanceUID", "SOPClassUID", "SOPInstanceUID")
    return head if all(head.get(keyword) for keyword in needed) and "TransferSyntaxUID" in head.file_meta else None


def _keep(ds: Dataset) -> Load:
    return lambda: ds


def _from_file(path: Path) -> Load:
    return lambda: dcmread(path)
