"""The identity store: the only place beside the DICOM files that knows who a patient is. Ingest writes, pages read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Table, bindparam, delete, select, update

from voorrang.clock import utc
from voorrang.outbox import insert_once
from voorrang.tables import identity_message, identity_order, identity_patient, identity_report, identity_study


@dataclass(frozen=True, slots=True)
class PatientIdentity:
    """Who a patient is."""

    patient_key: str
    patient_id: str
    issuer: str
    name: str
    birth_date: str
    sex: str


@dataclass(frozen=True, slots=True)
class StudyIdentity:
    """Whose a study is, and which order asked for it."""

    study_instance_uid: str
    patient: PatientIdentity
    order_key: str
    accession_number: str
    issuer: str
    study_description: str


def remember(connection: Connection, identity: StudyIdentity, now: datetime) -> None:
    """
    Write a study's identity, or bring its patient up to date; called by ingest only.

    The newest word on a patient counts, but an object that leaves an element out takes nothing away. Whose a study is
    and which order asked for it stay as the first instance said: events went out with those keys.
    """
    remember_patient(connection, identity.patient, now)
    remember_study(connection, identity, now)


def remember_study(connection: Connection, identity: StudyIdentity, now: datetime, *, anew: bool = False) -> None:
    """Write whose a study is, where that is not known; `anew`: whatever is known. Called by ingest only."""
    values = {
        "patient_key": identity.patient.patient_key,
        "order_key": identity.order_key,
        "accession_number": identity.accession_number[:64],
        "issuer": identity.issuer[:128],
        "study_description": identity.study_description[:256],
        "seen_at": now,
    }
    uid = identity.study_instance_uid
    if not insert_once(connection, identity_study, {"study_instance_uid": uid, **values}) and anew:
        where = identity_study.c.study_instance_uid == uid
        connection.execute(update(identity_study).where(where).values(**values))


def remember_patient(connection: Connection, patient: PatientIdentity, now: datetime) -> bool:
    """Write who a patient is, the newest word; True when that changed anything. Called by ingest only."""
    values = {
        "patient_id": patient.patient_id[:128],
        "issuer": patient.issuer[:128],
        "name": patient.name[:512],
        "birth_date": patient.birth_date[:16],
        "sex": patient.sex[:16],
    }
    return _write_newest(connection, identity_patient, {"patient_key": patient.patient_key}, values, now)


def _write_newest(
    connection: Connection, table: Table, key: dict[str, str], values: dict[str, str], now: datetime
) -> bool:
    """Write a row; where there is one, a newer value replaces an older, any replaces an empty one, none is emptied."""
    if insert_once(connection, table, {**key, **values, "seen_at": now}):
        return True
    where = [table.c[name] == value for name, value in key.items()]
    row = connection.execute(select(table).where(*where)).one()._mapping
    is_newest = utc(row["seen_at"]) <= now
    changes: dict[str, str | datetime] = {
        name: value for name, value in values.items() if value and (is_newest or not row[name])
    }
    if is_newest:
        changes["seen_at"] = now
    if changes:
        connection.execute(update(table).where(*where).values(**changes))
    return any(row[name] != value for name, value in changes.items() if name != "seen_at")


@dataclass(frozen=True, slots=True)
class OrderIdentity:
    """What an order says that may name a person; `clinical_question` and `procedure_text` in its own words."""

    order_key: str
    patient_key: str
    accession_number: str
    issuer: str
    clinical_question: str
    procedure_text: str


def remember_order(connection: Connection, order: OrderIdentity) -> None:
    """Write an order's identity; words that are empty leave those that are known. Called by ingest only."""
    values = {
        "patient_key": order.patient_key,
        "accession_number": order.accession_number[:64],
        "issuer": order.issuer[:128],
        "clinical_question": order.clinical_question,
        "procedure_text": order.procedure_text[:256],
    }
    if not insert_once(connection, identity_order, {"order_key": order.order_key, **values}):
        said = {name: value for name, value in values.items() if value}
        where = identity_order.c.order_key == order.order_key
        connection.execute(update(identity_order).where(where).values(**said))


def look_up_orders(connection: Connection, order_keys: Collection[str]) -> dict[str, OrderIdentity]:
    """Return the identity of each order that is known."""
    rows = connection.execute(select(identity_order).where(identity_order.c.order_key.in_(list(order_keys))))
    return {row.order_key: OrderIdentity(**row._mapping) for row in rows}


def orders_of_accession(connection: Connection, accession_number: str) -> list[str]:
    """Return the keys of the orders of an accession number, of whatever issuer."""
    query = select(identity_order.c.order_key).where(identity_order.c.accession_number == accession_number)
    return list(connection.execute(query).scalars()) if accession_number else []


def patient_is_known(connection: Connection, patient_key: str) -> bool:
    """Tell whether anything came of a patient."""
    query = select(identity_patient.c.patient_key).where(identity_patient.c.patient_key == patient_key)
    return connection.execute(query).first() is not None


def move_patient(connection: Connection, merged_key: str, surviving_key: str) -> None:
    """Give the studies and orders of one patient to another; called by ingest only."""
    for table in (identity_study, identity_order):
        where = table.c.patient_key == merged_key
        connection.execute(update(table).where(where).values(patient_key=surviving_key))


def keep_report(connection: Connection, report_key: str, report_version: int, text: str) -> None:
    """Write the words of one version of a report; called by ingest only."""
    insert_once(connection, identity_report, {"report_key": report_key, "report_version": report_version, "text": text})


def report_texts(connection: Connection, report_key: str) -> dict[int, str]:
    """Return the words of every version of a report, by version."""
    c = identity_report.c
    rows = connection.execute(select(c.report_version, c.text).where(c.report_key == report_key))
    return {row.report_version: row.text for row in rows}


def keep_message(connection: Connection, message_id: int, content: bytes) -> None:
    """Keep the bytes of a message that was refused; called by ingest only."""
    insert_once(connection, identity_message, {"message_id": message_id, "content": content})


def kept_message(connection: Connection, message_id: int) -> bytes | None:
    """Return the bytes of a message that was refused; None when it is settled."""
    query = select(identity_message.c.content).where(identity_message.c.message_id == message_id)
    return connection.execute(query).scalar_one_or_none()


def drop_message(connection: Connection, message_id: int) -> None:
    """Let go of the bytes of a message that is settled; called by ingest only."""
    connection.execute(delete(identity_message).where(identity_message.c.message_id == message_id))


def studies_of_accession(connection: Connection, accession_number: str) -> list[str]:
    """Return the StudyInstanceUIDs of an accession number, of whatever issuer: several orders may have one number."""
    query = select(identity_study.c.study_instance_uid).where(identity_study.c.accession_number == accession_number)
    return list(connection.execute(query).scalars()) if accession_number else []


def _of_studies() -> Select[Any]:
    s, p = identity_study.c, identity_patient.c
    return (
        select(
            s.study_instance_uid,
            s.order_key,
            s.accession_number,
            s.issuer,
            s.study_description,
            p.patient_key,
            p.patient_id,
            p.issuer.label("patient_issuer"),
            p.name,
            p.birth_date,
            p.sex,
        )
        .join_from(identity_study, identity_patient, p.patient_key == s.patient_key)
        .where(s.study_instance_uid.in_(bindparam("uids", expanding=True)))
    )


# Made once: the list asks for each page, and making a statement costs more than running it.
_OF_STUDIES = _of_studies()


def look_up(connection: Connection, study_instance_uids: Collection[str]) -> dict[str, StudyIdentity]:
    """Return the identity of each study that is known."""
    rows = connection.execute(_OF_STUDIES, {"uids": list(study_instance_uids)})
    return {
        row.study_instance_uid: StudyIdentity(
            row.study_instance_uid,
            PatientIdentity(row.patient_key, row.patient_id, row.patient_issuer, row.name, row.birth_date, row.sex),
            row.order_key,
            row.accession_number,
            row.issuer,
            row.study_description,
        )
        for row in rows
    }
