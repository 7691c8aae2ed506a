"""The answer to a message: an acknowledgement of HL7 v2 (original mode, v2.5.1 section 2.9.2). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ingest.orders.mapping import OUR_NAME
from ingest.orders.reading import Header
from ingest.orders.refusing import WORDS, RefusalReason


class AckCode(StrEnum):
    """HL7 table 0008, as used here."""

    ACCEPT = "AA"  # it is written, and so is what it changed
    ERROR = "AE"  # it cannot be taken; its bytes are kept
    REJECT = "AR"  # nothing is kept: it must be sent again, or comes from somebody unknown


class Outcome(StrEnum):
    """What became of a message: the label of its count."""

    TAKEN = "taken"
    UNCHANGED = "unchanged"
    DUPLICATE = "duplicate"
    REFUSED = "refused"
    TRY_AGAIN = "try_again"
    UNKNOWN_SENDER = "unknown_sender"
    QUARANTINE_FULL = "quarantine_full"


# HL7 table 0357, for receivers that read ERR-3.
_CONDITIONS = {
    RefusalReason.NOT_HL7: "100",
    RefusalReason.MISSING_SEGMENT: "100",
    RefusalReason.NO_CONTROL_ID: "101",
    RefusalReason.NO_PATIENT_ID: "101",
    RefusalReason.NO_ACCESSION: "101",
    RefusalReason.VALUES_DO_NOT_FIT: "102",
    RefusalReason.WRONG_CHARACTERS: "102",
    RefusalReason.BAD_STUDY_UID: "102",
    RefusalReason.UNKNOWN_ORDER_CONTROL: "103",
    RefusalReason.UNKNOWN_URGENCY: "103",
    RefusalReason.UNKNOWN_STATUS: "103",
    RefusalReason.UNKNOWN_CHARACTER_SET: "103",
    RefusalReason.UNKNOWN_TYPE: "200",
    RefusalReason.NOT_PRODUCTION: "202",
}
_OUTCOME_WORDS = {
    Outcome.TRY_AGAIN: "the database is away: send it again",
    Outcome.UNKNOWN_SENDER: "MSH-3 is not among hl7_senders",
    Outcome.QUARANTINE_FULL: "too many refused messages wait for a person: send it again later",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a message, and why; `header` is of the message."""

    outcome: Outcome
    header: Header
    reason: RefusalReason | None = None
    where: str = ""

    @property
    def code(self) -> AckCode:
        """What is acknowledged."""
        if self.outcome is Outcome.REFUSED:
            return AckCode.ERROR
        return AckCode.REJECT if self.outcome in _OUTCOME_WORDS else AckCode.ACCEPT

    @property
    def text(self) -> str:
        """The reason in words; empty when there is none."""
        words = WORDS[self.reason] if self.reason else _OUTCOME_WORDS.get(self.outcome, "")
        return f"{words} ({self.where})" if self.where else words


def acknowledgement(answer: Answer, now: datetime, control_id: str) -> bytes:
    """
    Return the acknowledgement of a message, without its MLLP block; ASCII, so of every character set.

    Parameters
    ----------
    answer
        What became of the message.
    now
        Written as its time.
    control_id
        Of the acknowledgement itself.
    """
    header = answer.header
    f, c, r, e, s = list(header.separators)
    trigger = f"{c}{header.trigger}" if header.trigger else ""
    msh = ["MSH", f"{c}{r}{e}{s}", OUR_NAME, "", header.application, header.facility, _time(now), ""]
    msh += [f"ACK{trigger}", control_id, header.processing_id or "P", header.version or "2.5.1"]
    segments = [msh, ["MSA", answer.code.value, header.control_id, _escaped(answer.text, header)]]
    if answer.code is not AckCode.ACCEPT:
        condition = _CONDITIONS.get(answer.reason, "207") if answer.reason else "207"
        code = answer.reason.value if answer.reason else answer.outcome.value
        coded = f"{condition}{c}{code}{c}HL70357"
        segments.append(["ERR", "", "", coded, "E", "", "", "", _escaped(answer.text, header)])
    text = "".join(f.join(segment) + "\r" for segment in segments)
    return text.encode("ascii", "replace")


def _time(now: datetime) -> str:
    return now.strftime("%Y%m%d%H%M%S.%f")[:18] + now.strftime("%z")


def _escaped(text: str, header: Header) -> str:
    f, c, r, e, s = list(header.separators)
    names = {f: "F", c: "S", r: "R", e: "E", s: "T"}
    return "".join(f"{e}{names[one]}{e}" if one in names else one for one in text)
