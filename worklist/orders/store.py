"""
Rows of orders, reports, merges and rejections: the highest version of a fact counts, whenever it comes.

Each function that writes facts returns the keys of the items that are to be ranked anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, or_, select, tuple_, update

from voorrang.clock import utc
from voorrang.events.envelope import Event
from voorrang.events.records import OrderRecord, PatientMerged, ReportRecord, SeriesRejected
from voorrang.outbox import insert_once
from worklist.orders.facts import OrderFacts, ReportFacts, ReportStatus, surviving
from worklist.orders.tables import merge, named_study, placed_order, rejection, report, report_study
from worklist.tables import study

Keys = set[str]
Move = tuple[str, str]


def put_order(connection: Connection, event: Event[Any], *, is_cancelled: bool) -> tuple[Keys, list[Move]]:
    """
    Write what an event says of an order unless a higher version is known, and tie its studies to it.

    Returns
    -------
    tuple
        The keys of the items that are to be ranked anew, and the moves of studies from one item to another.
    """
    record: OrderRecord = event.data
    key = event.order_key
    values = {
        "order_version": record.order_version,
        "patient_key": event.patient_key,
        "is_cancelled": is_cancelled,
        "record": record.model_dump(mode="json"),
        "stated_at": record.stated_at,
    }
    before = named_studies(connection, key)
    c = placed_order.c
    if insert_once(connection, placed_order, {"order_key": key, "first_heard_at": event.time, **values}):
        is_newest = True
    else:
        newer = update(placed_order).where(c.order_key == key, c.order_version < record.order_version)
        is_newest = connection.execute(newer.values(**values)).rowcount == 1
        earlier = update(placed_order).where(c.order_key == key, c.first_heard_at > event.time)
        connection.execute(earlier.values(first_heard_at=event.time))
    if is_newest:
        connection.execute(delete(named_study).where(named_study.c.order_key == key))
        for uid in set(record.study_instance_uids):
            insert_once(connection, named_study, {"order_key": key, "study_instance_uid": uid})
    own = connection.execute(select(study.c.study_instance_uid).where(study.c.order_key == key)).scalars()
    settled = [settle_study(connection, uid) for uid in sorted({*before, *named_studies(connection, key), *own})]
    moves = [move for move in settled if move is not None]
    touched = {key}.union(*moves)
    return touched | items_that_reports_name(connection, touched), [move for move in moves if move[0] != move[1]]


def settle_study(connection: Connection, study_instance_uid: str) -> Move | None:
    """
    Give a study to the item that it belongs to by what is known.

    Returns
    -------
    tuple of str or None
        The item that had it and the one that has it, which may be the same; None for a study that is not known.
    """
    where = study.c.study_instance_uid == study_instance_uid
    row = connection.execute(select(study.c.item_key, study.c.order_key).where(where)).one_or_none()
    if row is None:
        return None
    item_key = item_key_of(connection, study_instance_uid, row.order_key)
    if item_key != row.item_key:
        connection.execute(update(study).where(where).values(item_key=item_key))
    return row.item_key, item_key


def item_key_of(connection: Connection, study_instance_uid: str, own_order_key: str) -> str:
    """
    Return the key of the item that a study belongs to.

    The order of its own accession number and issuer; where no such order is known, one that names it, those that stand
    first; else its own number's, so that studies of one number are one item; else the study itself.
    """
    if own_order_key and order_is_known(connection, own_order_key):
        return own_order_key
    naming = connection.execute(_NAMING, {"uid": study_instance_uid}).scalar_one_or_none()
    return naming or own_order_key or study_instance_uid


def order_is_known(connection: Connection, order_key: str) -> bool:
    """Tell whether anything was said of an order."""
    return connection.execute(_ORDERS, {"keys": [order_key]}).first() is not None


def named_studies(connection: Connection, order_key: str) -> list[str]:
    """Return the studies that an order names."""
    query = select(named_study.c.study_instance_uid).where(named_study.c.order_key == order_key)
    return list(connection.execute(query).scalars())


def orders(connection: Connection, order_keys: Collection[str]) -> dict[str, OrderFacts]:
    """Return the orders that are known, by key."""
    rows = connection.execute(_ORDERS, {"keys": list(order_keys)})
    return {row.order_key: _order(row) for row in rows}


def _order(row: Any) -> OrderFacts:
    record = OrderRecord.model_validate(row.record)
    return OrderFacts(
        order_key=row.order_key,
        patient_key=row.patient_key,
        urgency=record.urgency,
        reading_group=record.reading_group,
        procedure_code=record.procedure_code,
        reason_codes=record.reason_codes,
        has_clinical_question=record.has_clinical_question,
        ordered_at=record.ordered_at,
        is_cancelled=row.is_cancelled,
        stated_at=utc(row.stated_at),
    )


def put_report(connection: Connection, event: Event[Any], status: ReportStatus) -> Keys:
    """Write one version of a report: all of them are kept."""
    record: ReportRecord = event.data
    key = {"report_key": event.subject, "report_version": record.report_version}
    values = {
        "status": status.value,
        "order_key": event.order_key,
        "content_digest": record.content_digest,
        "stated_at": record.stated_at,
        "told_at": event.time,
    }
    if insert_once(connection, report, key | values):
        for uid in set(record.study_instance_uids):
            insert_once(connection, report_study, key | {"study_instance_uid": uid})
    of_order = (study.c.order_key != "") & (study.c.order_key == event.order_key)
    where = or_(study.c.study_instance_uid.in_(record.study_instance_uids), of_order)
    touched = set(connection.execute(select(study.c.item_key).where(where)).scalars())
    return touched | ({event.order_key} - {""})


def _reports_query() -> Select[Any]:
    r = report.c
    named = select(report_study.c.report_key, report_study.c.report_version).where(
        report_study.c.study_instance_uid.in_(bindparam("uids", expanding=True))
    )
    known_order = select(placed_order.c.order_key).where(placed_order.c.order_key == r.order_key).exists()
    has_study = select(study.c.item_key).where(study.c.item_key == r.order_key).exists()
    by_name = tuple_(r.report_key, r.report_version).in_(named) & ~known_order & ~has_study
    is_own = r.order_key.in_(bindparam("own", expanding=True))
    return select(report).where(or_(is_own, by_name)).order_by(r.report_version)


_NAMING = (
    select(named_study.c.order_key)
    .join(placed_order, placed_order.c.order_key == named_study.c.order_key)
    .where(named_study.c.study_instance_uid == bindparam("uid"))
    .order_by(placed_order.c.is_cancelled, named_study.c.order_key)
    .limit(1)
)
_ORDERS = select(placed_order).where(placed_order.c.order_key.in_(bindparam("keys", expanding=True)))
_ITEMS_REPORTS_NAME = (
    select(study.c.item_key)
    .join(report_study, report_study.c.study_instance_uid == study.c.study_instance_uid)
    .join(report, (report.c.report_key == report_study.c.report_key))
    .where(report.c.order_key.in_(bindparam("keys", expanding=True)))
    .distinct()
)
_MERGE = select(merge).where(merge.c.merged_key == bindparam("key"))
_REJECTIONS = select(rejection).where(rejection.c.study_instance_uid.in_(bindparam("uids", expanding=True)))
_REPORTS = _reports_query()  # made once: it is asked for with each event


def reports_of(
    connection: Connection, item_key: str, order_keys: Iterable[str], uids: Sequence[str]
) -> list[ReportFacts]:
    """
    Return every version of the reports of an item.

    Parameters
    ----------
    connection
        Reads.
    item_key
        Of the item.
    order_keys
        Of its studies' own accession numbers.
    uids
        Its studies: a report that names one of them is its report, unless the report's own order has an item.
    """
    own = {item_key, *order_keys} - {""}
    rows = connection.execute(_REPORTS, {"own": list(own), "uids": list(uids)})
    return [ReportFacts(o.report_key, o.report_version, ReportStatus(o.status), utc(o.stated_at)) for o in rows]


def items_that_reports_name(connection: Connection, order_keys: Collection[str]) -> Keys:
    """Return the items of studies that reports of these orders name: whose report it is may have changed."""
    return set(connection.execute(_ITEMS_REPORTS_NAME, {"keys": list(order_keys)}).scalars())


def put_merge(connection: Connection, record: PatientMerged) -> Keys:
    """Write whom a patient was merged into, unless a later word is known."""
    c = merge.c
    merged_key = record.merged_patient_key
    values = {"surviving_key": record.surviving_patient_key, "stated_at": record.stated_at}
    if not insert_once(connection, merge, {"merged_key": merged_key, **values}):
        row = connection.execute(select(merge).where(c.merged_key == merged_key)).one()
        if (utc(row.stated_at), row.surviving_key) < (record.stated_at, record.surviving_patient_key):
            connection.execute(update(merge).where(c.merged_key == merged_key).values(**values))
    return items_of_patients(connection, _merged_into(connection, merged_key))


def _merged_into(connection: Connection, patient_key: str) -> Keys:
    """Return the patients who are merged into one, that one too."""
    found, fresh = {patient_key}, {patient_key}
    while fresh:
        query = select(merge.c.merged_key).where(merge.c.surviving_key.in_(list(fresh)))
        fresh = set(connection.execute(query).scalars()) - found
        found |= fresh
    return found


def items_of_patients(connection: Connection, patient_keys: Collection[str]) -> Keys:
    """Return the items whose studies or order are of these patients."""
    keys = list(patient_keys)
    mine = set(connection.execute(select(study.c.item_key).where(study.c.patient_key.in_(keys))).scalars())
    query = select(placed_order.c.order_key).where(placed_order.c.patient_key.in_(keys))
    return mine | set(connection.execute(query).scalars())


def items_of_patient(connection: Connection, patient_key: str) -> Keys:
    """Return the items of a patient and of those who were merged into them."""
    return items_of_patients(connection, _merged_into(connection, patient_key))


def surviving_patient(connection: Connection, patient_key: str) -> str:
    """Return whom a patient was merged into at the end; the patient where there is none."""
    merges: dict[str, tuple[str, datetime]] = {}
    fresh = patient_key
    while fresh not in merges:
        row = connection.execute(_MERGE, {"key": fresh}).one_or_none()
        if row is None:
            break
        merges[fresh] = (row.surviving_key, utc(row.stated_at))
        fresh = row.surviving_key
    return surviving(patient_key, merges)


def put_rejection(connection: Connection, record: SeriesRejected) -> None:
    """Write up to which revision a series is rejected, unless a higher one is known."""
    c = rejection.c
    values = {
        "study_instance_uid": record.study_instance_uid,
        "series_revision": record.series_revision,
        "reason": record.reason,
    }
    if insert_once(connection, rejection, {"series_instance_uid": record.series_instance_uid, **values}):
        return
    older = or_(
        c.series_revision < record.series_revision,
        (c.series_revision == record.series_revision) & (c.reason < record.reason),
    )
    connection.execute(
        update(rejection).where(c.series_instance_uid == record.series_instance_uid, older).values(**values)
    )


def rejections(connection: Connection, uids: Collection[str]) -> dict[str, tuple[int, str]]:
    """Return for each rejected series of some studies the revision up to which it is rejected, and why."""
    rows = connection.execute(_REJECTIONS, {"uids": list(uids)})
    return {row.series_instance_uid: (row.series_revision, row.reason) for row in rows}
