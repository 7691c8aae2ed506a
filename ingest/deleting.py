"""
Deletes series, so that a kill at any moment loses no count and leaves no file for ever.

One transaction: the rows of the instances go, their number is kept with the series, the event and the line of the log
are written, and so is the list of what is to be removed. Then the files go (`removing`).
"""

from __future__ import annotations

from dataclasses import dataclass

from ingest import operating_store, retention_store, store
from ingest.auditing import announce
from ingest.desk import Desk
from ingest.removing import finish_removals
from ingest.retention import Candidate, DeleteReason, Limits, judge
from ingest.retention_store import Size
from voorrang.archive.manifests import manifests_of
from voorrang.archive.pictures import PictureFolder
from voorrang.events.records import SeriesDeleted
from voorrang.metrics import ARCHIVE_BYTES_DELETED, ARCHIVE_INSTANCES_DELETED
from voorrang.register import Actor

BY_ITSELF = Actor("retention", "service", "")
ACTION = "series-delete"


@dataclass(frozen=True, slots=True)
class Deletion:
    """A series that was deleted, why, and how much it was."""

    candidate: Candidate
    size: Size


def limits_of(desk: Desk) -> Limits:
    """Return the limits by age that pathway files and settings give."""
    return Limits(desk.pathways, desk.settings.retention_days_unclaimed)


def delete_series(desk: Desk, candidate: Candidate, by: Actor = BY_ITSELF) -> Deletion | None:
    """Delete one series; None when it may not go any more, since something happened to it meanwhile."""
    deletion = decide(desk, candidate, by)
    if deletion is not None:
        finish_removals(desk)
    return deletion


def decide(desk: Desk, candidate: Candidate, by: Actor = BY_ITSELF) -> Deletion | None:
    """Take a series from the rows, in one transaction, and list its files to be removed; None when it may not go."""
    series, now = candidate.series, desk.clock.now()
    uid, study_uid = series.series_instance_uid, series.study_instance_uid
    with desk.database.write() as connection:
        found = {one.series_instance_uid: one for one in retention_store.facts(connection, now, study_uid)}
        low = candidate.why is DeleteReason.WATERMARK
        if uid not in found or judge(found[uid], limits_of(desk), now, disk_low=low) is not candidate.why:
            return None
        size = retention_store.sizes(connection, [uid]).get(uid, Size(0, 0))
        beside = [
            *manifests_of(desk.archive, study_uid, uid),
            PictureFolder(desk.settings.pictures_dir).of_series(study_uid, uid),
        ]
        number = retention_store.take_rows(connection, uid, beside, now)
        record = SeriesDeleted(
            study_instance_uid=study_uid,
            series_instance_uid=uid,
            instance_count=size.instance_count,
            size_bytes=size.size_bytes,
            why=candidate.why.value,
            deleted_at=now,
        )
        announce(desk, connection, record, store.study_row(connection, study_uid), (uid, number))
        detail = f"{candidate.why}: {size.instance_count} instances, {size.size_bytes} bytes"
        detail += f"; {by.reason}" if by.reason else ""
        operating_store.log_act(connection, now, by, ACTION, f"{study_uid}/{uid}", detail)
    ARCHIVE_INSTANCES_DELETED.labels(candidate.why.value).inc(size.instance_count)
    ARCHIVE_BYTES_DELETED.labels(candidate.why.value).inc(size.size_bytes)
    return Deletion(candidate, size)
