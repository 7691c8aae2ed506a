"""Rows of orders, reports and studies that match nothing yet."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, func, or_, select

from ingest.orders.merging import FINAL_STATUSES
from ingest.tables import message, named_study, placed_order, report, study
from voorrang.clock import utc

Rows = list[tuple[str, datetime]]


def orders_without_images(connection: Connection) -> Rows:
    """Return the orders that stand, have no final report, and no study."""
    o = placed_order.c
    named = select(named_study.c.study_instance_uid).where(named_study.c.order_key == o.order_key)
    of_order = or_(study.c.order_key == o.order_key, study.c.study_instance_uid.in_(named.correlate(placed_order)))
    has_study = exists(select(study.c.study_instance_uid).where(of_order).correlate(placed_order))
    any_version = report.alias()
    newest = select(func.max(any_version.c.report_version)).where(any_version.c.report_key == o.order_key)
    final = select(report.c.report_key).where(
        report.c.report_key == o.order_key,
        report.c.report_version == newest.correlate(placed_order).scalar_subquery(),
        report.c.status.in_(FINAL_STATUSES),
    )
    is_reported = exists(final.correlate(placed_order))
    return _rows(
        connection,
        select(o.order_key, o.first_heard_at).where(~o.is_cancelled, ~has_study, ~is_reported),
    )


def reports_without_order(connection: Connection) -> Rows:
    """Return the reports of which neither the order nor a study is known."""
    r = report.c
    has_order = exists().where(placed_order.c.order_key == r.order_key)
    has_study = exists().where(
        or_(
            and_(study.c.order_key != "", study.c.order_key == r.order_key),
            study.c.study_instance_uid == r.report_key,
        )
    )
    query = select(r.report_key, func.min(r.received_at)).where(~has_order, ~has_study).group_by(r.report_key)
    return _rows(connection, query)


def studies_without_order(connection: Connection, purpose: str) -> Rows:
    """Return the studies, priors left out, of which no order is known; none where orders never come."""
    if connection.execute(select(placed_order.c.order_key).limit(1)).first() is None:
        return []
    s = study.c
    has_order = exists().where(placed_order.c.order_key == s.order_key)
    where = and_(s.purpose == purpose, ~s.prior, s.named_by == "", ~has_order)
    return _rows(connection, select(s.study_instance_uid, s.first_received_at).where(where))


def patients_differ(connection: Connection) -> Rows:
    """Return the studies whose order is another patient's."""
    s, o = study.c, placed_order.c
    is_of = or_(o.order_key == s.named_by, and_(s.named_by == "", o.order_key == s.order_key))
    query = select(s.study_instance_uid, s.first_received_at).where(is_of, o.patient_key != s.patient_key)
    return _rows(connection, query)


def messages_refused(connection: Connection) -> Rows:
    """Return the messages that were refused and that nobody has settled."""
    where = (message.c.outcome == "refused") & (message.c.settled == "")
    return _rows(connection, select(message.c.id, message.c.received_at).where(where))


def _rows(connection: Connection, query: Select[Any]) -> Rows:
    return [(str(key), utc(since)) for key, since in connection.execute(query)]
