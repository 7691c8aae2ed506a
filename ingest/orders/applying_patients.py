"""What a merge of patients, or a change of one, changes, and what is announced of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ingest.orders import store
from ingest.orders.applying import Applying
from ingest.orders.applying_orders import announce_order
from ingest.orders.facts import MergeFact, PatientFact
from ingest.orders.matching import settle_studies
from voorrang import identity
from voorrang.events.records import PatientChanged, PatientMerged


def apply_merge(applying: Applying, fact: MergeFact) -> bool:
    """Give everything of one patient to another; False when that was done, or a later word says otherwise."""
    stated_at = applying.stated(fact.stated_at)
    survivor = applying.patient_key(fact.surviving.issuer, fact.surviving.patient_id)
    merged_key = applying.patient_key(fact.merged_issuer, fact.merged_patient_id)
    if not _write(applying, merged_key, survivor, stated_at):
        return False
    target, _ = applying.remember(fact.surviving, stated_at)
    record = PatientMerged(surviving_patient_key=target, merged_patient_key=merged_key, stated_at=stated_at)
    applying.announce(record, target, target, "", (merged_key, survivor, stated_at.isoformat()))
    _move(applying, merged_key, target)
    return True


def apply_change(applying: Applying, fact: PatientFact) -> bool:
    """Write who a patient is now; nothing is kept of somebody who was never examined here."""
    patient_key = applying.patient_key(fact.patient.issuer, fact.patient.patient_id)
    if not identity.patient_is_known(applying.connection, patient_key):
        return False
    stated_at = applying.stated(fact.stated_at)
    target, is_changed = applying.remember(fact.patient, stated_at)
    if is_changed:
        facts = (patient_key, stated_at.isoformat())
        applying.announce(PatientChanged(stated_at=stated_at), target, target, "", facts)
    return is_changed


def _write(applying: Applying, merged_key: str, survivor: str, stated_at: datetime) -> bool:
    connection = applying.connection
    before = store.merged_into(connection, merged_key)
    if merged_key == survivor or (before is not None and (before[1] > stated_at or before[0] == survivor)):
        return False
    if store.surviving(connection, survivor) == merged_key:  # merged the other way round before
        other_way = store.merged_into(connection, survivor)
        if other_way is not None and other_way[1] > stated_at:
            return False
        store.undo_merge(connection, survivor)
    store.write_merge(connection, merged_key, survivor, stated_at)
    return True


def _move(applying: Applying, merged_key: str, survivor: str) -> None:
    connection = applying.connection
    identity.move_patient(connection, merged_key, survivor)
    for order_key in store.orders_of_patient(connection, merged_key):
        order = store.find_order(connection, order_key)
        if order is not None:
            announce_order(applying, replace(order, patient_key=survivor))
    settle_studies(applying.post, connection, store.studies_of_patient(connection, merged_key))
