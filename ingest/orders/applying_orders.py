"""What an order changes, and what is announced of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ingest.orders import store
from ingest.orders.applying import Applying
from ingest.orders.facts import OrderFact
from ingest.orders.matching import settle_studies
from ingest.orders.merging import merged, said_by
from voorrang import identity
from voorrang.events.records import OrderCancelled, OrderChanged, OrderPlaced, OrderRecord
from voorrang.identity import OrderIdentity


def apply_order(applying: Applying, fact: OrderFact) -> bool:
    """Put what a message says of an order together with what is known of it; True when that changed anything."""
    order_key = applying.order_key(fact.issuer, fact.accession_number)
    stated_at = applying.stated(fact.stated_at)
    said_key, _ = applying.remember(fact.patient, stated_at)
    known = store.find_order(applying.connection, order_key)
    values = said_by(fact, said_key, _digest(applying, fact.clinical_question), _digest(applying, fact.procedure_text))
    facts = merged(known.facts if known else {}, values, stated_at, fact.rank)
    names_more = store.name_studies(applying.connection, order_key, fact.study_instance_uids)
    order = store.OrderRow(
        order_key=order_key,
        order_version=known.order_version if known else 0,
        patient_key=store.surviving(applying.connection, facts["patient_key"].value),
        is_cancelled=facts["is_cancelled"].value,
        facts=facts,
        first_heard_at=known.first_heard_at if known else applying.post.clock.now(),
        stated_at=max(stated_at, known.stated_at) if known else stated_at,
    )
    if known and not names_more and _values(known) == _values(order):
        store.write_order(applying.connection, order)  # when it was stated counts for what comes later
        return False
    _remember_words(applying, fact, order)
    announce_order(applying, order, is_placed=known is None and fact.action == "placed")
    return True


def announce_order(applying: Applying, order: store.OrderRow, *, is_placed: bool = False) -> None:
    """Write an order's next version, tie its studies to it, and announce it."""
    order = replace(order, order_version=order.order_version + 1)
    store.write_order(applying.connection, order)
    settle_studies(applying.post, applying.connection, store.studies_of_order(applying.connection, order.order_key))
    record_type: type[OrderRecord] = OrderPlaced if is_placed else OrderChanged
    if order.is_cancelled:
        record_type = OrderCancelled
    ordered_at = order.value("ordered_at")
    record = record_type(
        order_version=order.order_version,
        urgency=order.value("urgency") or "routine",
        reading_group=order.value("reading_group") or "",
        procedure_code=order.value("procedure_code") or "",
        reason_codes=tuple(order.value("reason_codes") or ()),
        has_clinical_question=order.value("question_digest") is not None,
        study_instance_uids=store.named_studies(applying.connection, order.order_key),
        ordered_at=datetime.fromisoformat(ordered_at) if ordered_at else order.first_heard_at,
        stated_at=order.stated_at,
    )
    applying.announce(
        record, order.order_key, order.patient_key, order.order_key, (order.order_key, order.order_version)
    )


def _remember_words(applying: Applying, fact: OrderFact, order: store.OrderRow) -> None:
    """Write an order's words, those of this message where they are the ones that count."""
    question, procedure = fact.clinical_question, fact.procedure_text
    who = OrderIdentity(
        order_key=order.order_key,
        patient_key=order.patient_key,
        accession_number=fact.accession_number,
        issuer=fact.issuer or applying.default_issuer,
        clinical_question=question if order.value("question_digest") == _digest(applying, question) else "",
        procedure_text=procedure if order.value("procedure_digest") == _digest(applying, procedure) else "",
    )
    identity.remember_order(applying.connection, who)


def _digest(applying: Applying, words: str) -> str:
    return applying.post.keys.identity_digest(words.encode()) if words else ""


def _values(order: store.OrderRow) -> tuple[object, ...]:
    facts = {name: said.value for name, said in order.facts.items() if name != "patient_key"}
    return order.patient_key, order.is_cancelled, facts
