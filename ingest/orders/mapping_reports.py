"""ORU^R01 to versions of reports. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from ingest.orders.asking import accession_of, studies_of
from ingest.orders.facts import ReportFact, ReportStatus
from ingest.orders.reading import Message, Segment, part
from ingest.orders.refusing import RefusalReason, RefusedMessageError
from ingest.orders.rules import Agreement
from ingest.orders.values import person_of, time_of

# HL7 tables 0123 (OBR-25) and 0085 (OBX-11), as far as they say how far a report is.
_STATUSES: dict[str, ReportStatus] = {
    "P": "preliminary",
    "R": "preliminary",
    "A": "preliminary",
    "C": "corrected",
    "F": "final",
}
_CAREFUL: Sequence[ReportStatus] = ("preliminary", "corrected", "final")
_TEXT_TYPES = {"TX", "FT", "ST", "CWE", "CE", ""}


def reports_of(message: Message, agreement: Agreement) -> Sequence[ReportFact]:
    """
    Return the reports of a message, one for each accession number, or for each study without one.

    Raises
    ------
    RefusedMessageError
        When one of them lacks what a report needs, or has no status that is taken.
    """
    pid = message.first("PID")
    message.first("OBR")
    groups: dict[tuple[str, str, tuple[str, ...]], list[Segment]] = {}
    for group in _groups(message.segments):
        accession, issuer = accession_of(group, agreement.accession_from)
        studies = studies_of(group)
        if not accession and not studies:
            raise RefusedMessageError(RefusalReason.NO_ACCESSION)
        key = (accession, issuer, () if accession else studies)
        groups.setdefault(key, []).extend(group)
    facts = []
    for (accession, issuer, _), segments in groups.items():
        values = {
            "status": status_of(segments),
            "accession_number": accession,
            "issuer": issuer,
            "study_instance_uids": studies_of(segments),
            "patient": person_of(pid, agreement.default_issuer),
            "stated_at": time_of(_stated(message, segments), agreement.zone),
            "text": _text(segments),
        }
        try:
            facts.append(ReportFact.model_validate(values))
        except ValidationError as error:
            raise RefusedMessageError(RefusalReason.VALUES_DO_NOT_FIT, "OBR or OBX") from error
    return facts


def status_of(segments: Sequence[Segment]) -> ReportStatus:
    """
    Return how far a report is, by OBR-25 and OBX-11; the most careful one where they differ.

    A report that is taken for final closes an item, so that nobody looks again: one preliminary part is enough to
    leave it open.

    Raises
    ------
    RefusedMessageError
        When none of them is one that is taken.
    """
    said = {segment.text(25).upper() for segment in segments if segment.name == "OBR"}
    said |= {segment.text(11).upper() for segment in segments if segment.name == "OBX"}
    found = {_STATUSES[one] for one in said if one in _STATUSES}
    for status in _CAREFUL:
        if status in found:
            return status
    raise RefusedMessageError(RefusalReason.UNKNOWN_STATUS, "OBR-25")


def _groups(segments: Sequence[Segment]) -> list[list[Segment]]:
    """Return the segments of each OBR, with the ORC before it; ZDS and IPC name a study for the whole message."""
    groups: list[list[Segment]] = []
    common: Segment | None = None
    for segment in segments:
        if segment.name == "ORC":
            common = segment
        elif segment.name == "OBR":
            groups.append([segment] if common is None else [common, segment])
            common = None
        elif groups and segment.name != "ZDS":
            groups[-1].append(segment)
    for_all = [segment for segment in segments if segment.name == "ZDS"]
    return [[*group, *for_all] for group in groups]


def _stated(message: Message, segments: Sequence[Segment]) -> str:
    obr = next(segment for segment in segments if segment.name == "OBR")
    return message.stated_time or obr.text(22)


def _text(segments: Sequence[Segment]) -> str:
    lines = [
        part(one, 2) if segment.text(2) in {"CWE", "CE"} and part(one, 2) else part(one)
        for segment in segments
        if segment.name == "OBX" and segment.text(2) in _TEXT_TYPES
        for one in segment.repetitions(5)
    ]
    return "\n".join(lines).strip()[:1_000_000]
