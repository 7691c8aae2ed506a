"""ADT^A08 and A31 to changed patients, ADT^A40 to merged ones. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ingest.orders.facts import MergeFact, PatientFact
from ingest.orders.reading import Message, Segment
from ingest.orders.refusing import RefusalReason, RefusedMessageError
from ingest.orders.rules import Agreement
from ingest.orders.values import identifier_of, person_of, time_of


def changes_of(message: Message, agreement: Agreement) -> Sequence[PatientFact]:
    """
    Return whom a message is about, as they are now.

    Raises
    ------
    RefusedMessageError
        When nobody is.
    """
    person = person_of(message.first("PID"), agreement.default_issuer)
    return [PatientFact(patient=person, stated_at=_stated(message, agreement))]


def merges_of(message: Message, agreement: Agreement) -> Sequence[MergeFact]:
    """
    Return the merges of a message: each PID survives the MRG that follows it.

    Raises
    ------
    RefusedMessageError
        When a PID has no MRG, or one of them no identifier, or both one.
    """
    message.first("PID")
    message.first("MRG")
    merges: list[MergeFact] = []
    surviving: Segment | None = None
    for segment in message.segments:
        if segment.name == "PID":
            if surviving is not None:
                raise RefusedMessageError(RefusalReason.MISSING_SEGMENT, "MRG")
            surviving = segment
        elif segment.name == "MRG":
            if surviving is None:
                raise RefusedMessageError(RefusalReason.MISSING_SEGMENT, "PID")
            merges.append(_merge(message, surviving, segment, agreement))
            surviving = None
    if surviving is not None:
        raise RefusedMessageError(RefusalReason.MISSING_SEGMENT, "MRG")
    return merges


def _merge(message: Message, pid: Segment, mrg: Segment, agreement: Agreement) -> MergeFact:
    person = person_of(pid, agreement.default_issuer)
    merged_id, merged_issuer = identifier_of(mrg, 1, agreement.default_issuer)
    if len(merged_id) > 64 or len(merged_issuer) > 128:
        raise RefusedMessageError(RefusalReason.VALUES_DO_NOT_FIT, "MRG-1")
    domains = [issuer or agreement.default_issuer for issuer in (person.issuer, merged_issuer)]
    if person.patient_id == merged_id and domains[0] == domains[1]:
        raise RefusedMessageError(RefusalReason.MERGED_INTO_ITSELF, "MRG-1")
    return MergeFact(
        surviving=person,
        merged_patient_id=merged_id,
        merged_issuer=merged_issuer,
        stated_at=_stated(message, agreement),
    )


def _stated(message: Message, agreement: Agreement) -> datetime | None:
    return time_of(message.stated_time, agreement.zone)
