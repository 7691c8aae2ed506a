"""The series of a study, as a pathway that requires several asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from ingest.standing_store import serves
from ingest.tables import instance, series
from voorrang.clock import utc
from voorrang.dicom.headers import InstanceHeader


@dataclass(frozen=True, slots=True)
class StudySeries:
    """One series with instances: the header of one of them, how many there are, when they came and from whom."""

    head: InstanceHeader
    instance_count: int
    began_at: datetime
    last_received_at: datetime
    sender: str


def series_of_study(connection: Connection, study_instance_uid: str) -> list[StudySeries]:
    """Return the series of a study that came for its purpose."""
    heads = (
        select(
            instance.c.series_instance_uid,
            func.min(instance.c.sop_instance_uid).label("head"),
            func.count().label("n"),
        )
        .join(series, series.c.series_instance_uid == instance.c.series_instance_uid)
        .where(series.c.study_instance_uid == study_instance_uid, serves())
        .group_by(instance.c.series_instance_uid)
        .subquery()
    )
    rows = connection.execute(
        select(series, instance.c.header, heads.c.n)
        .join(heads, heads.c.series_instance_uid == series.c.series_instance_uid)
        .join(instance, instance.c.sop_instance_uid == heads.c.head)
    )
    return [
        StudySeries(
            InstanceHeader.from_json(row.header),
            row.n,
            utc(row.first_received_at),
            utc(row.last_received_at),
            row.sender,
        )
        for row in rows
    ]
