"""What a message tells, in our own words: the form of an NDJSON line, and what HL7 is mapped to. Pure."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from voorrang.events.records import Tier, Time
from voorrang.identifiers import is_uid


def _uid(text: str) -> str:
    if not is_uid(text):
        raise ValueError("not a UID")
    return text


def _storable(text: str) -> str:
    if "\0" in text or any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise ValueError("a character that cannot be kept")
    return text


UID = Annotated[str, AfterValidator(_uid)]
Text = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_storable)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9._+/ -]{0,32}$")]
Identifier = Annotated[Text, Field(max_length=64)]
Issuer = Annotated[Text, Field(max_length=128)]
Action = Literal["placed", "changed", "cancelled"]
ReportStatus = Literal["preliminary", "final", "corrected"]


class Rank(IntEnum):
    """What goes first among messages that state one time: many systems know the minute only."""

    PLACED = 0
    CHANGED = 1
    CANCELLED = 2


class _Fact(BaseModel):
    """Frozen, and strict about unknown keys: a misspelt one would be lost."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Person(_Fact):
    """A patient; name as DICOM writes it (`Family^Given`), birth date as YYYYMMDD; an empty issuer is the sender's."""

    patient_id: Annotated[Identifier, Field(min_length=1)]
    issuer: Issuer = ""
    name: Annotated[Text, Field(max_length=512)] = ""
    birth_date: Annotated[str, StringConstraints(pattern=r"^([0-9]{8})?$")] = ""
    sex: Annotated[str, StringConstraints(pattern=r"^[MFO]?$")] = ""


class _Asked(_Fact):
    """What orders and reports have in common: which order, whose, and which studies are named."""

    accession_number: Identifier = ""
    issuer: Issuer = ""
    study_instance_uids: tuple[UID, ...] = ()
    patient: Person
    stated_at: Time | None = None


class OrderFact(_Asked):
    """An order, as one message tells of it; what is left out stays as it was."""

    kind: Literal["order"] = "order"
    action: Action
    accession_number: Annotated[Identifier, Field(min_length=1)]
    urgency: Tier | None = None
    reading_group: Code = ""
    procedure_code: Code = ""
    procedure_text: Annotated[Text, Field(max_length=256)] = ""
    reason_codes: tuple[Code, ...] = ()
    clinical_question: Annotated[Text, Field(max_length=20_000)] = ""
    ordered_at: Time | None = None

    @property
    def rank(self) -> Rank:
        """What goes first among messages of one time."""
        return Rank[self.action.upper()]


class ReportFact(_Asked):
    """One version of a report."""

    kind: Literal["report"] = "report"
    status: ReportStatus
    text: Annotated[Text, Field(max_length=1_000_000)] = ""


class MergeFact(_Fact):
    """Two patients are one."""

    kind: Literal["merge"] = "merge"
    surviving: Person
    merged_patient_id: Annotated[Identifier, Field(min_length=1)]
    merged_issuer: Issuer = ""
    stated_at: Time | None = None


class PatientFact(_Fact):
    """Something about a patient changed."""

    kind: Literal["patient"] = "patient"
    patient: Person
    stated_at: Time | None = None


Fact = OrderFact | ReportFact | MergeFact | PatientFact
