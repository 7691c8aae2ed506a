"""Rows of messages, orders, reports and merges."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, or_, select, update

from ingest.orders.merging import FINAL_STATUSES, Said
from ingest.tables import merge, message, named_study, placed_order, report, study
from voorrang.clock import utc
from voorrang.outbox import insert_once


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as it stands; `patient_key` is the surviving one's."""

    order_key: str
    order_version: int
    patient_key: str
    is_cancelled: bool
    facts: Mapping[str, Said]
    first_heard_at: datetime
    stated_at: datetime

    def value(self, name: str) -> Any:
        """Return one of its facts; None when nobody has stated it."""
        said = self.facts.get(name)
        return said.value if said is not None else None


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One version of a report."""

    report_key: str
    report_version: int
    status: str
    order_key: str
    study_instance_uids: tuple[str, ...]
    content_digest: str
    stated_at: datetime
    received_at: datetime


def find_order(connection: Connection, order_key: str) -> OrderRow | None:
    """Return an order; None when nothing was said of it."""
    row = connection.execute(select(placed_order).where(placed_order.c.order_key == order_key)).one_or_none()
    if row is None:
        return None
    facts = {name: Said(**said) for name, said in row.facts.items()}
    return OrderRow(
        row.order_key,
        row.order_version,
        row.patient_key,
        row.is_cancelled,
        facts,
        utc(row.first_heard_at),
        utc(row.stated_at),
    )


def write_order(connection: Connection, order: OrderRow) -> None:
    """Write an order as it stands now."""
    values = asdict(order)
    key = {"order_key": values.pop("order_key")}
    if not insert_once(connection, placed_order, key | values):
        connection.execute(update(placed_order).where(placed_order.c.order_key == order.order_key).values(**values))


def name_studies(connection: Connection, order_key: str, uids: Collection[str]) -> bool:
    """Write which studies an order names; True when one of them is new to it."""
    rows = [{"order_key": order_key, "study_instance_uid": uid} for uid in uids]
    return any([insert_once(connection, named_study, row) for row in rows])


def named_studies(connection: Connection, order_key: str) -> tuple[str, ...]:
    """Return the studies that an order names."""
    c = named_study.c
    query = select(c.study_instance_uid).where(c.order_key == order_key).order_by(c.study_instance_uid)
    return tuple(connection.execute(query).scalars())


def orders_naming(connection: Connection, study_instance_uid: str) -> list[str]:
    """Return the keys of the orders that name a study, those that stand first."""
    c = named_study.c
    rows = connection.execute(
        select(c.order_key)
        .join(placed_order, placed_order.c.order_key == c.order_key)
        .where(c.study_instance_uid == study_instance_uid)
        .order_by(placed_order.c.is_cancelled, c.order_key)
    )
    return list(rows.scalars())


def orders_of_patient(connection: Connection, patient_key: str) -> list[str]:
    """Return the keys of a patient's orders."""
    query = select(placed_order.c.order_key).where(placed_order.c.patient_key == patient_key)
    return sorted(connection.execute(query).scalars())


def studies_of_order(connection: Connection, order_key: str) -> list[str]:
    """Return the studies that are an order's by their accession number, or that it names."""
    named = select(named_study.c.study_instance_uid).where(named_study.c.order_key == order_key)
    where = or_(study.c.order_key == order_key, study.c.study_instance_uid.in_(named))
    return sorted(connection.execute(select(study.c.study_instance_uid).where(where)).scalars())


def has_open_order(connection: Connection, order_key: str, study_instance_uid: str) -> bool:
    """Tell whether somebody awaits a report of a study: an order that stands and has no final report."""
    keys = {order_key, *orders_naming(connection, study_instance_uid)} - {""}
    return any(is_open(connection, key, study_instance_uid) for key in sorted(keys))


def is_open(connection: Connection, order_key: str, study_instance_uid: str = "") -> bool:
    """Tell whether an order is known, stands, and has no final report, under its key or under that of its study."""
    order = find_order(connection, order_key)
    if order is None or order.is_cancelled:
        return False
    newest = [newest_report(connection, key) for key in (order_key, study_instance_uid) if key]
    return not any(one is not None and one.status in FINAL_STATUSES for one in newest)


def reports(connection: Connection, report_key: str) -> list[ReportRow]:
    """Return every version of a report, the oldest first."""
    query = select(report).where(report.c.report_key == report_key).order_by(report.c.report_version)
    return [
        ReportRow(
            row.report_key,
            row.report_version,
            row.status,
            row.order_key,
            tuple(row.study_instance_uids),
            row.content_digest,
            utc(row.stated_at),
            utc(row.received_at),
        )
        for row in connection.execute(query)
    ]


def newest_report(connection: Connection, report_key: str) -> ReportRow | None:
    """Return the version of a report that counts; None when there is none."""
    return next(reversed(reports(connection, report_key)), None)


def add_report(connection: Connection, row: ReportRow) -> None:
    """Write one version of a report."""
    insert_once(connection, report, asdict(row) | {"study_instance_uids": list(row.study_instance_uids)})


def surviving(connection: Connection, patient_key: str) -> str:
    """Return whom a patient was merged into, at the end of all merges; the patient where there is none."""
    seen = {patient_key}
    while (found := merged_into(connection, patient_key)) is not None and found[0] not in seen:
        patient_key = found[0]
        seen.add(patient_key)
    return patient_key


def merged_into(connection: Connection, patient_key: str) -> tuple[str, datetime] | None:
    """Return whom a patient was merged into at once, and when that was stated."""
    row = connection.execute(select(merge).where(merge.c.merged_key == patient_key)).one_or_none()
    return (row.surviving_key, utc(row.stated_at)) if row is not None else None


def write_merge(connection: Connection, merged_key: str, surviving_key: str, stated_at: datetime) -> None:
    """Write whom a patient was merged into."""
    values = {"surviving_key": surviving_key, "stated_at": stated_at}
    if not insert_once(connection, merge, {"merged_key": merged_key, **values}):
        connection.execute(update(merge).where(merge.c.merged_key == merged_key).values(**values))


def undo_merge(connection: Connection, merged_key: str) -> None:
    """Forget that a patient was merged: a later word merges the other way round."""
    connection.execute(delete(merge).where(merge.c.merged_key == merged_key))


def studies_of_patient(connection: Connection, patient_key: str) -> list[str]:
    """Return the studies of a patient."""
    where = study.c.patient_key == patient_key
    return sorted(connection.execute(select(study.c.study_instance_uid).where(where)).scalars())


@dataclass(frozen=True, slots=True)
class StudyLinks:
    """What ties a study to its patient and its order: `order_key` by its own accession number."""

    patient_key: str
    order_key: str
    named_by: str
    prior: bool
    purpose: str


def study_links(connection: Connection, study_instance_uid: str) -> StudyLinks | None:
    """Return what ties a study; None while it is not known."""
    row = connection.execute(select(study).where(study.c.study_instance_uid == study_instance_uid)).one_or_none()
    if row is None:
        return None
    return StudyLinks(row.patient_key, row.order_key, row.named_by, row.prior, row.purpose)


def link_study(connection: Connection, study_instance_uid: str, **values: str | bool) -> None:
    """Write what ties a study."""
    connection.execute(update(study).where(study.c.study_instance_uid == study_instance_uid).values(**values))


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One message that was answered."""

    id: int
    sender: str
    control_id: str
    kind: str
    received_at: datetime
    outcome: str
    reason: str
    settled: str


def find_message(connection: Connection, sender: str, control_id: str, content_digest: str) -> MessageRow | None:
    """Return a message that was answered before."""
    c = message.c
    where = (c.sender == sender) & (c.control_id == control_id) & (c.content_digest == content_digest)
    return _one_message(connection, where)


def message_row(connection: Connection, message_id: int) -> MessageRow | None:
    """Return a message by its number."""
    return _one_message(connection, message.c.id == message_id)


def refused_messages(connection: Connection) -> list[MessageRow]:
    """Return the messages that were refused and that nobody has settled, the oldest first."""
    where = (message.c.outcome == "refused") & (message.c.settled == "")
    return [_message(row) for row in connection.execute(select(message).where(where).order_by(message.c.id))]


def count_refused(connection: Connection) -> int:
    """Return how many messages were refused and are not settled."""
    where = (message.c.outcome == "refused") & (message.c.settled == "")
    return int(connection.execute(select(func.count()).select_from(message).where(where)).scalar_one())


def add_message(connection: Connection, values: Mapping[str, Any]) -> int:
    """Write a message that is answered; return its number."""
    return int(connection.execute(insert(message).values(**values).returning(message.c.id)).scalar_one())


def settle_message(connection: Connection, message_id: int, values: Mapping[str, Any]) -> None:
    """Write what became of a message."""
    connection.execute(update(message).where(message.c.id == message_id).values(**values))


def prune_messages(connection: Connection, older_than: datetime, limit: int) -> int:
    """Delete the oldest rows of messages that nobody waits for; return how many. A refused one stays until settled."""
    c = message.c
    old = select(c.id).where(c.received_at < older_than, (c.outcome != "refused") | (c.settled != ""))
    ids = connection.execute(old.order_by(c.received_at).limit(limit)).scalars().all()
    return connection.execute(delete(message).where(c.id.in_(ids))).rowcount if ids else 0


def _one_message(connection: Connection, where: ColumnElement[bool]) -> MessageRow | None:
    row = connection.execute(select(message).where(where)).one_or_none()
    return _message(row) if row is not None else None


def _message(row: Any) -> MessageRow:
    received_at = utc(row.received_at)
    return MessageRow(row.id, row.sender, row.control_id, row.kind, received_at, row.outcome, row.reason, row.settled)


def any_order(connection: Connection) -> bool:
    """Tell whether an order was ever heard of."""
    return connection.execute(select(placed_order.c.order_key).limit(1)).first() is not None


def order_keys(connection: Connection) -> Sequence[str]:
    """Return the keys of all orders that stand."""
    return connection.execute(select(placed_order.c.order_key).where(~placed_order.c.is_cancelled)).scalars().all()
