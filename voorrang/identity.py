"""The identity store: the only place beside the DICOM files that knows who a patient is. Ingest writes, pages read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, select, update

from voorrang.clock import utc
from voorrang.outbox import insert_once
from voorrang.tables import identity_patient, identity_study


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
    p = identity.patient
    patient = {
        "patient_id": p.patient_id[:128],
        "issuer": p.issuer[:128],
        "name": p.name[:512],
        "birth_date": p.birth_date[:16],
        "sex": p.sex[:16],
    }
    _write_newest(connection, identity_patient, {"patient_key": p.patient_key}, patient, now)
    study = {
        "study_instance_uid": identity.study_instance_uid,
        "patient_key": p.patient_key,
        "order_key": identity.order_key,
        "accession_number": identity.accession_number[:64],
        "issuer": identity.issuer[:128],
        "study_description": identity.study_description[:256],
        "seen_at": now,
    }
    insert_once(connection, identity_study, study)


def _write_newest(
    connection: Connection, table: Table, key: dict[str, str], values: dict[str, str], now: datetime
) -> None:
    """Write a row; where there is one, a newer value replaces an older, any replaces an empty one, none is emptied."""
    if insert_once(connection, table, {**key, **values, "seen_at": now}):
        return
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


def studies_of_accession(connection: Connection, accession_number: str) -> list[str]:
    """Return the StudyInstanceUIDs of an accession number, of whatever issuer: several orders may have one number."""
    query = select(identity_study.c.study_instance_uid).where(identity_study.c.accession_number == accession_number)
    return list(connection.execute(query).scalars()) if accession_number else []


def look_up(connection: Connection, study_instance_uids: Collection[str]) -> dict[str, StudyIdentity]:
    """Return the identity of each study that is known."""
    s, p = identity_study.c, identity_patient.c
    rows = connection.execute(
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
        .where(s.study_instance_uid.in_(list(study_instance_uids)))
    )
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
