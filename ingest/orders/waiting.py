"""What of orders and reports matches nothing yet, or waits for a person: counted, and listed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ingest.announcing import Announcer
from ingest.orders import waiting_store
from voorrang.database import Connection
from voorrang.metrics import ORDERS_WAITING


class WaitingReason(StrEnum):
    """Why something waits: the label of its gauge."""

    ORDER_WITHOUT_IMAGES = "order_without_images"
    REPORT_WITHOUT_ORDER = "report_without_order_or_images"
    STUDY_WITHOUT_ORDER = "study_without_order"
    PATIENTS_DIFFER = "patients_of_order_and_study_differ"
    MESSAGE_REFUSED = "message_refused"


@dataclass(frozen=True, slots=True)
class WaitingThing:
    """One thing that waits; `key` is opaque, or a StudyInstanceUID, or the number of a message."""

    reason: WaitingReason
    key: str
    since: datetime


def waiting(connection: Connection, purpose: str) -> list[WaitingThing]:
    """Return all that waits, the oldest first."""
    found = {
        WaitingReason.ORDER_WITHOUT_IMAGES: waiting_store.orders_without_images(connection),
        WaitingReason.REPORT_WITHOUT_ORDER: waiting_store.reports_without_order(connection),
        WaitingReason.STUDY_WITHOUT_ORDER: waiting_store.studies_without_order(connection, purpose),
        WaitingReason.PATIENTS_DIFFER: waiting_store.patients_differ(connection),
        WaitingReason.MESSAGE_REFUSED: waiting_store.messages_refused(connection),
    }
    things = [WaitingThing(reason, key, since) for reason, rows in found.items() for key, since in rows]
    return sorted(things, key=lambda thing: (thing.since, thing.key))


def count_waiting(post: Announcer) -> None:
    """Set the gauges."""
    with post.database.read() as connection:
        found = waiting(connection, post.settings.purpose.value)
    for reason in WaitingReason:
        ORDERS_WAITING.labels(reason.value).set(sum(thing.reason is reason for thing in found))
