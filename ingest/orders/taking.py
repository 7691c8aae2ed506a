"""Takes one message: reads it, writes what it changes, its own row and the events in one transaction, and answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ingest.announcing import Announcer
from ingest.intake_store import UNFIT
from ingest.orders import store
from ingest.orders.acknowledging import Answer, Outcome
from ingest.orders.applying import Applying
from ingest.orders.applying_orders import apply_order
from ingest.orders.applying_patients import apply_change, apply_merge
from ingest.orders.applying_reports import apply_report
from ingest.orders.facts import Fact, MergeFact, OrderFact, PatientFact
from ingest.orders.mapping import check_header, facts_of, kind_of
from ingest.orders.reading import Header, body_of, read_header, read_message
from ingest.orders.refusing import RefusalReason, RefusedMessageError
from ingest.orders.rules import Agreement
from voorrang import identity
from voorrang.database import Connection
from voorrang.errors import RetryableError
from voorrang.logs import get_logger
from voorrang.metrics import ORDER_MESSAGES
from voorrang.purpose import Purpose
from voorrang.settings import Settings

ATTEMPTS = 5
MAX_REFUSED = 5_000  # whose bytes are kept; a sender that is wrong must not fill the database


@dataclass(frozen=True, slots=True)
class Envelope:
    """Which message it is, whatever it says."""

    sender: str
    control_id: str
    digest: str
    kind: str
    raw: bytes


def take_message(post: Announcer, raw: bytes, refused_for: RefusedMessageError | None = None) -> Answer:
    """
    Take one HL7 message, and say how to answer it. What is answered AA or AE is written, and durable.

    Parameters
    ----------
    post
        Announces.
    raw
        The message, without its MLLP block.
    refused_for
        Why it is not to be read at all; its bytes are kept.
    """
    header = Header()
    try:
        header = read_header(raw)
    except RefusedMessageError as error:
        refused_for = refused_for or error
    settings = post.settings
    if refused_for is None and settings.known_senders_only and header.application not in settings.hl7_senders:
        return _counted(Answer(Outcome.UNKNOWN_SENDER, header))
    agreement = agreement_of(settings, header.application)

    def read() -> Sequence[Fact]:
        """Read the message, or refuse it."""
        if refused_for is not None:
            raise refused_for
        check_header(header, is_production=settings.purpose is Purpose.CLINICAL)
        return facts_of(read_message(raw, agreement.character_set), agreement)

    digest = post.keys.identity_digest(body_of(raw))
    envelope = Envelope(header.application[:64], header.control_id[:200], digest, kind_of(header), raw)
    return take(post, envelope, header, agreement, read)


def agreement_of(settings: Settings, sender: str) -> Agreement:
    """Return what is agreed with a sender."""
    zone = ZoneInfo(settings.time_zone)
    rule = settings.hl7_senders.get(sender)
    if rule is None:
        return Agreement(zone)
    return Agreement(zone, rule.default_issuer, rule.character_set, rule.urgencies, rule.accession_from)


def take(
    post: Announcer, envelope: Envelope, header: Header, agreement: Agreement, read: Callable[[], Sequence[Fact]]
) -> Answer:
    """
    Take what a message says, once, or keep it with the reason why not.

    A message is known by its sender, its control id and what stands behind its header: a retry is a duplicate, another
    message under a number that was used before is none.
    """
    try:
        facts = read()
    except RefusedMessageError as error:
        return _refuse(post, envelope, header, error)
    for attempt in range(ATTEMPTS):
        try:
            with post.database.write() as connection:
                return _counted(Answer(_apply(post, connection, envelope, agreement, facts), header))
        except RetryableError as error:
            get_logger().warning("message waits", reason=str(error), attempt=attempt + 1)
        except UNFIT as error:
            get_logger().error("message does not fit", reason=type(error).__name__)
            return _refuse(post, envelope, header, RefusedMessageError(RefusalReason.VALUES_DO_NOT_FIT))
    return _counted(Answer(Outcome.TRY_AGAIN, header))


def _apply(
    post: Announcer, connection: Connection, envelope: Envelope, agreement: Agreement, facts: Sequence[Fact]
) -> Outcome:
    known = store.find_message(connection, envelope.sender, envelope.control_id, envelope.digest)
    if known is not None and known.outcome != Outcome.REFUSED:
        return Outcome.DUPLICATE
    applying = Applying(post, connection, agreement.default_issuer)
    is_changed = any([_apply_fact(applying, fact) for fact in facts])
    outcome = Outcome.TAKEN if is_changed else Outcome.UNCHANGED
    if known is None:
        store.add_message(connection, _values(post, envelope, outcome))
    else:  # it was refused, and is not now: what is agreed, or this program, has changed since
        settled = {"outcome": outcome.value, "settled": "replayed", "settled_at": post.clock.now()}
        store.settle_message(connection, known.id, settled)
        identity.drop_message(connection, known.id)
    return outcome


def _apply_fact(applying: Applying, fact: Fact) -> bool:
    if isinstance(fact, OrderFact):
        return apply_order(applying, fact)
    if isinstance(fact, MergeFact):
        return apply_merge(applying, fact)
    if isinstance(fact, PatientFact):
        return apply_change(applying, fact)
    return apply_report(applying, fact)


def _refuse(post: Announcer, envelope: Envelope, header: Header, error: RefusedMessageError) -> Answer:
    get_logger().warning("message refused", reason=error.reason.value, kind=envelope.kind)
    for attempt in range(ATTEMPTS):
        try:
            with post.database.write() as connection:
                outcome = _keep(post, connection, envelope, error)
            if outcome is Outcome.REFUSED:
                return _counted(Answer(outcome, header, error.reason, error.where))
            return _counted(Answer(outcome, header))
        except RetryableError as away:
            get_logger().warning("message waits", reason=str(away), attempt=attempt + 1)
    return _counted(Answer(Outcome.TRY_AGAIN, header))


def _keep(post: Announcer, connection: Connection, envelope: Envelope, error: RefusedMessageError) -> Outcome:
    """Keep the bytes of a message, once, unless there is no room; one that was taken before stays so."""
    known = store.find_message(connection, envelope.sender, envelope.control_id, envelope.digest)
    if known is not None and known.outcome != Outcome.REFUSED:
        return Outcome.DUPLICATE
    if known is not None and not known.settled:
        return Outcome.REFUSED
    if store.count_refused(connection) >= MAX_REFUSED:
        return Outcome.QUARANTINE_FULL
    values = _values(post, envelope, Outcome.REFUSED, error.reason.value)
    if known is None:
        message_id = store.add_message(connection, values)
    else:  # a person had discarded it, and it comes again
        message_id = known.id
        store.settle_message(connection, message_id, {**values, "settled": "", "settled_at": None})
    identity.keep_message(connection, message_id, envelope.raw)
    return Outcome.REFUSED


def _values(post: Announcer, envelope: Envelope, outcome: Outcome, reason: str = "") -> dict[str, object]:
    return {
        "sender": envelope.sender,
        "control_id": envelope.control_id,
        "content_digest": envelope.digest,
        "kind": envelope.kind,
        "received_at": post.clock.now(),
        "outcome": outcome.value,
        "reason": reason,
    }


def _counted(answer: Answer) -> Answer:
    ORDER_MESSAGES.labels(answer.outcome.value).inc()
    return answer
