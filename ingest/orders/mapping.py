"""HL7 messages to facts: which types are taken, and what each is taken for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ingest.orders.facts import Fact
from ingest.orders.mapping_orders import orders_of
from ingest.orders.mapping_patients import changes_of, merges_of
from ingest.orders.mapping_reports import reports_of
from ingest.orders.reading import Header, Message
from ingest.orders.refusing import RefusalReason, RefusedMessageError
from ingest.orders.rules import Agreement

OUR_NAME = "VOORRANG"
Mapper = Callable[[Message, Agreement], Sequence[Fact]]

# HL7 v2.5.1 chapters 4 (ORM, OMG, OMI), 7 (ORU) and 3 (ADT); IHE RAD-2, RAD-3, RAD-4, RAD-13, RAD-12.
TAKEN: Mapping[tuple[str, str], Mapper] = {
    ("ORM", "O01"): orders_of,
    ("OMG", "O19"): orders_of,
    ("OMI", "O23"): orders_of,
    ("ORU", "R01"): reports_of,
    ("ADT", "A08"): changes_of,
    ("ADT", "A31"): changes_of,
    ("ADT", "A40"): merges_of,
}


def kind_of(header: Header) -> str:
    """Return a message's type as HL7 writes it, where it is one that is taken; else nothing of it."""
    known = (header.message_type, header.trigger) in TAKEN
    return f"{header.message_type}^{header.trigger}" if known else "other"


def check_header(header: Header, *, is_production: bool) -> None:
    """
    Refuse what is not for us, whatever it holds.

    Raises
    ------
    RefusedMessageError
        When there is no control id, the type is not taken, a test comes to a production system (MSH-11), or the
        message is our own.
    """
    if not header.control_id:
        raise RefusedMessageError(RefusalReason.NO_CONTROL_ID, "MSH-10")
    if header.application.upper() == OUR_NAME:
        raise RefusedMessageError(RefusalReason.OWN_MESSAGE, "MSH-3")
    if is_production and header.processing_id not in ("", "P"):
        raise RefusedMessageError(RefusalReason.NOT_PRODUCTION, "MSH-11")
    if (header.message_type, header.trigger) not in TAKEN:
        raise RefusedMessageError(RefusalReason.UNKNOWN_TYPE, "MSH-9")


def facts_of(message: Message, agreement: Agreement) -> Sequence[Fact]:
    """
    Return what a message tells; at least one fact.

    Raises
    ------
    RefusedMessageError
        When any part of it cannot be taken: a message is taken whole or not at all.
    """
    return TAKEN[message.header.message_type, message.header.trigger](message, agreement)
