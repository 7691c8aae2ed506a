"""Why a message of orders and reports is not taken. Pure."""

from __future__ import annotations

from enum import StrEnum


class RefusalReason(StrEnum):
    """Reasons from a closed set: they are answered and listed, and say nothing of whom a message is about."""

    NOT_HL7 = "not_hl7"
    NO_CONTROL_ID = "no_control_id"
    TOO_LARGE = "message_too_large"
    UNKNOWN_CHARACTER_SET = "unknown_character_set"
    WRONG_CHARACTERS = "characters_do_not_fit_their_set"
    UNKNOWN_TYPE = "message_type_not_taken"
    NOT_PRODUCTION = "not_for_production"
    OWN_MESSAGE = "our_own_message"
    MISSING_SEGMENT = "segment_missing"
    NO_PATIENT_ID = "no_patient_id"
    NO_ACCESSION = "no_accession_number"
    UNKNOWN_ORDER_CONTROL = "order_control_not_taken"
    UNKNOWN_URGENCY = "urgency_not_known"
    UNKNOWN_STATUS = "report_status_not_taken"
    BAD_STUDY_UID = "bad_study_uid"
    MERGED_INTO_ITSELF = "patient_merged_into_itself"
    BAD_LINE = "line_does_not_fit"
    VALUES_DO_NOT_FIT = "values_do_not_fit"
    DEFECT = "defect_of_ours"


WORDS: dict[RefusalReason, str] = {
    RefusalReason.NOT_HL7: "this is not an HL7 v2 message: it does not begin with MSH and its separators",
    RefusalReason.NO_CONTROL_ID: "MSH-10 is empty",
    RefusalReason.TOO_LARGE: "the message is larger than hl7_max_message_bytes",
    RefusalReason.UNKNOWN_CHARACTER_SET: "MSH-18 names a character set that is not read here",
    RefusalReason.WRONG_CHARACTERS: "the bytes are not of the character set that MSH-18 names",
    RefusalReason.UNKNOWN_TYPE: "this message type is not taken here: see the conformance statement",
    RefusalReason.NOT_PRODUCTION: "MSH-11 is not P, and this is a production system",
    RefusalReason.OWN_MESSAGE: "MSH-3 is our own name: the message came back",
    RefusalReason.MISSING_SEGMENT: "a segment that this message type needs is missing: it may have been cut off",
    RefusalReason.NO_PATIENT_ID: "PID-3 or MRG-1 has no identifier",
    RefusalReason.NO_ACCESSION: "no accession number in IPC-1, OBR-18, OBR-3 or ORC-3, and no study is named",
    RefusalReason.UNKNOWN_ORDER_CONTROL: "ORC-1 is empty or not taken here",
    RefusalReason.UNKNOWN_URGENCY: "the urgency in TQ1-9, ORC-7 or OBR-27 is not known: see the sender's urgencies",
    RefusalReason.UNKNOWN_STATUS: "OBR-25 and OBX-11 say neither preliminary nor final nor corrected",
    RefusalReason.BAD_STUDY_UID: "a StudyInstanceUID is not a UID",
    RefusalReason.MERGED_INTO_ITSELF: "MRG-1 and PID-3 are one identifier",
    RefusalReason.BAD_LINE: "the line is not one JSON object with the fields of an order, a report or a patient",
    RefusalReason.VALUES_DO_NOT_FIT: "a value is longer than there is room for, or of characters that cannot be kept",
    RefusalReason.DEFECT: "this program failed on it: tell its makers, and replay it afterwards",
}


class RefusedMessageError(Exception):
    """
    A message that cannot be taken; the sender is told the reason, and the bytes are kept.

    Parameters
    ----------
    reason
        Why.
    where
        Segment, field or line: never a value.
    """

    def __init__(self, reason: RefusalReason, where: str = "") -> None:
        super().__init__(f"{reason.value} {where}".strip())
        self.reason = reason
        self.where = where
