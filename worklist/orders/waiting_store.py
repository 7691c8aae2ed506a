"""Rows of what matches nothing yet, of what is settled, and counts of orders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select

from voorrang.clock import utc
from worklist.orders.facts import ReportStatus, Standing
from worklist.orders.tables import placed_order, report, report_study
from worklist.tables import item, study

Rows = list[tuple[str, datetime]]


def orders_without_images(connection: Connection) -> Rows:
    """Return the orders that stand, have no signed report and no study."""
    o = placed_order.c
    has_study = select(study.c.item_key).where(study.c.item_key == o.order_key).exists()
    return _rows(connection, select(o.order_key, o.first_heard_at).where(_is_open(), ~has_study))


def reports_without_item(connection: Connection) -> Rows:
    """Return the reports of which neither the order nor a study is known, by the key of the report."""
    r = report.c
    has_order = select(placed_order.c.order_key).where(placed_order.c.order_key == r.order_key).exists()
    of_own = (r.order_key != "") & or_(study.c.order_key == r.order_key, study.c.item_key == r.order_key)
    has_own = select(study.c.item_key).where(of_own).exists()
    named = select(report_study.c.study_instance_uid).where(
        report_study.c.report_key == r.report_key, report_study.c.report_version == r.report_version
    )
    has_named = select(study.c.item_key).where(study.c.study_instance_uid.in_(named.correlate(report))).exists()
    query = select(r.report_key, func.min(r.told_at)).where(~has_order, ~has_own, ~has_named).group_by(r.report_key)
    return _rows(connection, query)


def patients_differ(connection: Connection) -> Rows:
    """Return the open items whose order and study are of two patients, merges left aside: for a person to look at."""
    s, o = study.c, placed_order.c
    query = (
        select(s.item_key, func.min(s.first_received_at))
        .join(placed_order, o.order_key == s.item_key)
        .join(item, item.c.item_key == s.item_key)
        .where(o.patient_key != s.patient_key, item.c.standing == Standing.OPEN.value)
        .group_by(s.item_key)
    )
    return _rows(connection, query)


def images_after_report(connection: Connection) -> Rows:
    """Return the items that were reported before a study of theirs came: somebody must say whether that was read."""
    s = study.c
    query = (
        select(item.c.item_key, func.max(s.first_received_at))
        .join(study, s.item_key == item.c.item_key)
        .where(item.c.standing == Standing.REPORTED.value, ~s.prior, s.first_received_at > item.c.settled_at)
        .group_by(item.c.item_key)
    )
    return _rows(connection, query)


def orders_open(connection: Connection) -> dict[str, int]:
    """Return how many orders stand and have no signed report, by urgency."""
    urgency = placed_order.c.record["urgency"].as_string()
    rows = connection.execute(select(urgency, func.count()).where(_is_open()).group_by(urgency))
    return {row[0]: int(row[1]) for row in rows}


def _is_open() -> ColumnElement[bool]:
    """Return whether an order stands and nothing settled it, as SQL: by its item, or by a report without images."""
    o = placed_order.c
    reported = select(item.c.item_key).where(
        item.c.item_key == o.order_key, item.c.study_count > 0, item.c.standing != Standing.OPEN.value
    )
    signed = select(report.c.report_key).where(
        report.c.order_key == o.order_key, report.c.status != ReportStatus.PRELIMINARY.value
    )
    return ~o.is_cancelled & ~reported.exists() & ~signed.exists()


@dataclass(frozen=True, slots=True)
class SettledItem:
    """An item that left the live list: how, when and why."""

    item_key: str
    standing: Standing
    at: datetime
    why: str
    study_instance_uids: tuple[str, ...]


def settled_items(connection: Connection, limit: int) -> list[SettledItem]:
    """Return what left the live list last, the newest first."""
    c = item.c
    rows = connection.execute(
        select(c.item_key, c.standing, c.settled_at, c.settled_why)
        .where(c.standing != Standing.OPEN.value, c.study_count > 0)
        .order_by(c.settled_at.desc(), c.item_key)
        .limit(limit)
    ).all()
    studies: dict[str, list[str]] = {row.item_key: [] for row in rows}
    mine = select(study.c.item_key, study.c.study_instance_uid).where(study.c.item_key.in_(list(studies)))
    for item_key, uid in connection.execute(mine.order_by(study.c.study_instance_uid)):
        studies[item_key].append(uid)
    return [
        SettledItem(r.item_key, Standing(r.standing), utc(r.settled_at), r.settled_why, tuple(studies[r.item_key]))
        for r in rows
    ]


def _rows(connection: Connection, query: Select[Any]) -> Rows:
    return [(str(key), utc(since)) for key, since in connection.execute(query)]
