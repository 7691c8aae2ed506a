"""What is told of an order and its report in one study's timeline."""

from __future__ import annotations

from ingest.orders import store
from ingest.orders.merging import FINAL_STATUSES
from voorrang.database import Connection
from voorrang.timeline import Moment


def study_moments(connection: Connection, study_instance_uid: str) -> list[Moment]:
    """Return what is known of a study's order and of its reports."""
    links = store.study_links(connection, study_instance_uid)
    order_key = (links.named_by or links.order_key) if links else ""
    keys = dict.fromkeys(filter(None, (order_key, study_instance_uid)))
    return [moment for key in keys for moment in order_moments(connection, key)]


def order_moments(connection: Connection, key: str) -> list[Moment]:
    """Return what is known of an order and of its reports, or of the reports of a study that has no order."""
    order = store.find_order(connection, key)
    moments = []
    if order is not None:
        state = "cancelled" if order.is_cancelled else order.value("urgency") or "routine, nobody said how urgent"
        group = f", for {order.value('reading_group')}" if order.value("reading_group") else ""
        words = f"first heard of; now {state}{group}, version {order.order_version}"
        moments.append(Moment(order.first_heard_at, "order", words))
    moments += [Moment(one.received_at, "report", one.status) for one in store.reports(connection, key)]
    return moments


def order_waits(connection: Connection, order_key: str) -> str:
    """Return what an order without images waits for, in words for a person."""
    order = store.find_order(connection, order_key)
    if order is None or order.is_cancelled:
        return "nothing: it is cancelled"
    newest = store.newest_report(connection, order_key)
    if newest is not None and newest.status in FINAL_STATUSES:
        return "nothing: it is reported, and no images of it came here"
    return "images: none came with its accession number or StudyInstanceUID"
