"""Values of HL7 fields in our own form: times, identifiers, people, codes. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from ingest.orders.facts import Person
from ingest.orders.reading import Segment, part
from ingest.orders.refusing import RefusalReason, RefusedMessageError

_TIME = re.compile(r"(\d{4})(\d\d)?(\d\d)?(?:(\d\d)(\d\d)?(\d\d)?(?:\.(\d{1,4}))?)?([+-]\d{4})?")
_DATE = re.compile(r"(\d{8})")
_CODE = re.compile(r"[A-Za-z0-9._+/-]{1,32}")
_SEX = {"M": "M", "F": "F", "O": "O", "A": "O", "X": "O"}  # HL7 table 0001; unknown is empty in DICOM
# Identifier types (HL7 table 0203) of a hospital's own numbers, the best first; a national number never goes before.
_OWN_TYPES = ("PI", "MR", "PT", "")
_NATIONAL = re.compile(r"NN[A-Z]{0,3}|SS|NI|NH|HC|JHN")


def time_of(text: str, zone: ZoneInfo) -> datetime | None:
    """
    Read a time (HL7 DTM, v2.5 section 2.A.22); None when it has no day, or is none.

    Parameters
    ----------
    text
        YYYYMMDD[HH[MM[SS[.S[S[S[S]]]]]]][+/-ZZZZ]
    zone
        Of a time that states none. Of an hour that the clock shows twice the second is meant: whoever takes the message
        takes no time for later than its receipt.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None or match[3] is None:
        return None
    year, month, day, hour, minute, second = (int(match[n] or 0) for n in range(1, 7))
    microseconds = int((match[7] or "0").ljust(6, "0"))
    try:
        said = _offset(match[8]) if match[8] else zone
        return datetime(year, month, day, hour, minute, second, microseconds, said, fold=1).astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: before the first day or after the last in UTC
        return None


def _offset(text: str) -> timezone:
    minutes = int(text[1:3]) * 60 + int(text[3:5])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def code_of(text: str) -> str:
    """Return a code; empty for what has a space or a sign that codes lack, since words may name somebody."""
    return text if _CODE.fullmatch(text) else ""


def identifier_of(segment: Segment, field: int, default_issuer: str) -> tuple[str, str]:
    """
    Return (identifier, issuer) of a list of patient identifiers (HL7 CX); the issuer is empty when none is named.

    The hospital's own number goes first: that of the default issuer, then by type. The issuer is the namespace of the
    assigning authority, which DICOM calls Issuer of Patient ID.

    Raises
    ------
    RefusedMessageError
        When there is none.
    """
    found = [one for one in segment.repetitions(field) if part(one)]
    if not found:
        raise RefusedMessageError(RefusalReason.NO_PATIENT_ID, f"{segment.name}-{field}")

    def place(repetition: Sequence[Sequence[str]]) -> tuple[bool, bool, int]:
        """Return what sorts the best identifier first."""
        kind = part(repetition, 5)
        own = _OWN_TYPES.index(kind) if kind in _OWN_TYPES else len(_OWN_TYPES)
        is_default = bool(default_issuer) and part(repetition, 4) == default_issuer
        return _NATIONAL.fullmatch(kind) is not None, not is_default, own

    best = min(found, key=place)
    return part(best), part(best, 4)


def person_of(pid: Segment, default_issuer: str) -> Person:
    """
    Return the patient of a PID segment.

    Raises
    ------
    RefusedMessageError
        When there is no identifier, or a value that there is no room for.
    """
    patient_id, issuer = identifier_of(pid, 3, default_issuer)
    birth_date = _DATE.match(pid.text(7))
    values = {
        "patient_id": patient_id,
        "issuer": issuer,
        "name": name_of(pid),
        "birth_date": birth_date[1] if birth_date else "",
        "sex": _SEX.get(pid.text(8).upper(), ""),
    }
    try:
        return Person.model_validate(values)
    except ValidationError as error:
        raise RefusedMessageError(RefusalReason.VALUES_DO_NOT_FIT, "PID") from error


def name_of(pid: Segment) -> str:
    """Return PID-5 (XPN) as DICOM writes a name (PS3.5 section 6.2.1.2): family, given, middle, prefix, suffix."""
    family, given, middle, suffix, prefix = (pid.text(5, component) for component in range(1, 6))
    parts = (one.replace("^", " ").replace("=", " ") for one in (family, given, middle, prefix, suffix))
    return "^".join(parts).rstrip("^")
