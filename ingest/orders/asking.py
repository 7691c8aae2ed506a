"""Which order and which studies a group of segments is about, and how urgent it is. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ingest.orders.reading import Segment, part
from ingest.orders.refusing import RefusalReason, RefusedMessageError
from voorrang.events.records import Tier
from voorrang.identifiers import is_uid

# Where an accession number may stand, the best first: (segment, field, whether its second component is the issuer).
ACCESSION_FIELDS: Mapping[str, tuple[str, int, bool]] = {
    "IPC-1": ("IPC", 1, True),
    "OBR-18": ("OBR", 18, False),
    "OBR-3": ("OBR", 3, True),
    "ORC-3": ("ORC", 3, True),
}
# HL7 tables 0027 and 0485, DICOM's words (0040,1003), and the plain ones.
_URGENCIES: Mapping[str, Tier] = {
    "S": "stat",
    "STAT": "stat",
    "A": "urgent",
    "ASAP": "urgent",
    "T": "urgent",
    "P": "urgent",
    "U": "urgent",
    "UR": "urgent",
    "URGENT": "urgent",
    "HIGH": "urgent",
    "R": "routine",
    "C": "routine",
    "PRN": "routine",
    "ROUTINE": "routine",
    "MEDIUM": "routine",
    "LOW": "routine",
}
_TIMING_CRITICAL = re.compile(r"T[SMHDWL]?[0-9]*")
_ORDER: Sequence[Tier] = ("stat", "urgent", "routine")
_STUDY_UID_CODES = {"113014", "110180"}  # DCM: DICOM Study; Study Instance UID


def accession_of(segments: Sequence[Segment], only_from: str = "") -> tuple[str, str]:
    """Return (accession number, issuer) of a group; both empty when it has none, the issuer when none is named."""
    for place in [only_from] if only_from else ACCESSION_FIELDS:
        name, field, has_issuer = ACCESSION_FIELDS[place]
        for segment in _named(segments, name):
            if number := segment.text(field):
                return number, segment.text(field, 2) if has_issuer else ""
    return "", ""


def studies_of(segments: Sequence[Segment]) -> tuple[str, ...]:
    """
    Return the StudyInstanceUIDs that a group names: in IPC-3, ZDS-1, or an OBX that is coded so.

    Raises
    ------
    RefusedMessageError
        When one of them is not a UID.
    """
    found = [segment.text(3) for segment in _named(segments, "IPC")]
    found += [part(one) for segment in _named(segments, "ZDS") for one in segment.repetitions(1)]
    found += [segment.text(5) for segment in _named(segments, "OBX") if segment.text(3) in _STUDY_UID_CODES]
    uids = tuple(dict.fromkeys(uid for uid in found if uid))
    if not all(map(is_uid, uids)):
        raise RefusedMessageError(RefusalReason.BAD_STUDY_UID)
    return uids


def urgency_of(segments: Sequence[Segment], own_words: Mapping[str, Tier]) -> Tier | None:
    """
    Return the urgency of a group by TQ1-9, ORC-7.6 and OBR-27.6, the highest of them; None when none is stated.

    Parameters
    ----------
    segments
        Of the group.
    own_words
        The sender's own, which go before the usual ones.

    Raises
    ------
    RefusedMessageError
        When a word is not known: it must not be read as routine.
    """
    words = [(part(one), "TQ1-9") for s in _named(segments, "TQ1") for one in s.repetitions(9)]
    words += [(part(one, 6), "ORC-7") for s in _named(segments, "ORC") for one in s.repetitions(7)]
    words += [(part(one, 6), "OBR-27") for s in _named(segments, "OBR") for one in s.repetitions(27)]
    return highest(_urgency(word, where, own_words) for word, where in words if word)


def highest(urgencies: Iterable[Tier | None]) -> Tier | None:
    """Return the highest urgency; None when there is none."""
    stated = {one for one in urgencies if one is not None}
    return next((tier for tier in _ORDER if tier in stated), None)


def _urgency(word: str, where: str, own_words: Mapping[str, Tier]) -> Tier:
    if word in own_words:
        return own_words[word]
    if word.upper() in _URGENCIES:
        return _URGENCIES[word.upper()]
    if _TIMING_CRITICAL.fullmatch(word.upper()):
        return "urgent"
    raise RefusedMessageError(RefusalReason.UNKNOWN_URGENCY, where)


def _named(segments: Sequence[Segment], name: str) -> list[Segment]:
    return [segment for segment in segments if segment.name == name]
