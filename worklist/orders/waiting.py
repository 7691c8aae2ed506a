"""What of orders and reports matches nothing on the list: shown, and counted."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import get_args

from pydantic import BaseModel

from voorrang.database import Connection, Database
from voorrang.events.records import Tier
from voorrang.metrics import ORDERS_OPEN, ORDERS_UNMATCHED
from worklist.orders import waiting_store


class UnmatchedReason(StrEnum):
    """Why something waits for its counterpart, or for a person; the label of its gauge."""

    ORDER_WITHOUT_IMAGES = "order_without_images"
    REPORT_WITHOUT_ITEM = "report_without_order_or_images"
    PATIENTS_DIFFER = "patients_of_order_and_study_differ"
    IMAGES_AFTER_REPORT = "images_after_report"


class Unmatched(BaseModel):
    """One thing that waits; `key` is opaque, or a StudyInstanceUID."""

    reason: UnmatchedReason
    key: str
    since: datetime


class SettledRow(BaseModel):
    """One item that left the live list."""

    item_key: str
    standing: str
    at: datetime
    why: str
    study_instance_uids: tuple[str, ...]


def unmatched(connection: Connection) -> list[Unmatched]:
    """Return all that waits, the oldest first."""
    found = {
        UnmatchedReason.ORDER_WITHOUT_IMAGES: waiting_store.orders_without_images(connection),
        UnmatchedReason.REPORT_WITHOUT_ITEM: waiting_store.reports_without_item(connection),
        UnmatchedReason.PATIENTS_DIFFER: waiting_store.patients_differ(connection),
        UnmatchedReason.IMAGES_AFTER_REPORT: waiting_store.images_after_report(connection),
    }
    things = [Unmatched(reason=reason, key=key, since=since) for reason, rows in found.items() for key, since in rows]
    return sorted(things, key=lambda thing: (thing.since, thing.key))


def settled_rows(connection: Connection, limit: int) -> list[SettledRow]:
    """Return what left the live list last, the newest first."""
    return [
        SettledRow(
            item_key=one.item_key,
            standing=one.standing.value,
            at=one.at,
            why=one.why,
            study_instance_uids=one.study_instance_uids,
        )
        for one in waiting_store.settled_items(connection, limit)
    ]


def count_orders(database: Database) -> None:
    """Set the gauges of orders."""
    with database.read() as connection:
        found = unmatched(connection)
        by_urgency = waiting_store.orders_open(connection)
    for reason in UnmatchedReason:
        ORDERS_UNMATCHED.labels(reason.value).set(sum(thing.reason is reason for thing in found))
    for tier in get_args(Tier):
        ORDERS_OPEN.labels(tier).set(by_urgency.get(tier, 0))
