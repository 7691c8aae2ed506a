"""What a person means by an accession number or a UID."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from ingest.tables import instance, series, study
from voorrang.identity import studies_of_accession


@dataclass(frozen=True, slots=True)
class Target:
    """A study, or one series of it; `order_key` tells one order from another and is empty without one."""

    study_instance_uid: str
    series_instance_uid: str | None
    order_key: str


def targets(connection: Connection, asked: str) -> list[Target]:
    """Return the study or series of a UID, or every study of an accession number; empty when nothing is known."""
    asked = asked.strip()
    found = _studies(connection, [asked]) or _series(connection, asked)
    return found or _studies(connection, studies_of_accession(connection, asked))


def study_of_instance(connection: Connection, sop_instance_uid: str) -> str | None:
    """Return the StudyInstanceUID of an instance; None when it is not known."""
    query = (
        select(series.c.study_instance_uid)
        .join(instance, instance.c.series_instance_uid == series.c.series_instance_uid)
        .where(instance.c.sop_instance_uid == sop_instance_uid.strip())
    )
    return connection.execute(query).scalar_one_or_none()


def series_of(connection: Connection, study_instance_uid: str) -> list[str]:
    """Return the SeriesInstanceUIDs of a study."""
    mine = series.c.study_instance_uid == study_instance_uid
    return list(connection.execute(select(series.c.series_instance_uid).where(mine)).scalars())


def _studies(connection: Connection, uids: list[str]) -> list[Target]:
    rows = connection.execute(
        select(study.c.study_instance_uid, study.c.order_key)
        .where(study.c.study_instance_uid.in_(uids))
        .order_by(study.c.first_received_at, study.c.study_instance_uid)
    )
    return [Target(row.study_instance_uid, None, row.order_key) for row in rows]


def _series(connection: Connection, uid: str) -> list[Target]:
    row = connection.execute(
        select(series.c.study_instance_uid, study.c.order_key)
        .join(study, study.c.study_instance_uid == series.c.study_instance_uid)
        .where(series.c.series_instance_uid == uid)
    ).one_or_none()
    return [Target(row.study_instance_uid, uid, row.order_key)] if row else []
