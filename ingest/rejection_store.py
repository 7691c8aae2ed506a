"""Rows of rejected instances, and what of series and studies stands beside them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from ingest.rejection_notes import RejectionNote
from ingest.standing_store import same_study, stands
from ingest.tables import claim, instance, rejection, series
from voorrang.clock import utc
from voorrang.dicom.manifest import instances_digest
from voorrang.events.records import RejectionReason
from voorrang.outbox import insert_once

NOT_IMAGES = ("KO", "PR", "SR")  # what nobody reads by itself
_OF_SERIES = tuple(series.c[n] for n in ("series_instance_uid", "study_instance_uid", "revision", "instances_digest"))


def keep_note(connection: Connection, note_uid: str, note: RejectionNote, at: datetime) -> set[str]:
    """Write which instances a note rejects, whether they have come or not; return the series that this is new for."""
    return {
        one.series_instance_uid
        for one in note.instances
        if insert_once(
            connection,
            rejection,
            {
                "sop_instance_uid": one.sop_instance_uid,
                "note_uid": note_uid,
                "series_instance_uid": one.series_instance_uid,
                "study_instance_uid": one.study_instance_uid,
                "reason": note.reason,
                "rejected_at": at,
            },
        )
    }


def with_rejections(connection: Connection, study_instance_uids: Collection[str]) -> set[str]:
    """Return which of some studies have rejected instances."""
    uids = rejection.c.study_instance_uid
    return set(connection.execute(select(uids).where(uids.in_(list(study_instance_uids))).distinct()).scalars())


@dataclass(frozen=True, slots=True)
class RejectedSeries:
    """
    A series of which instances are rejected.

    Parameters
    ----------
    series_instance_uid, study_instance_uid, revision
        The series as it is now.
    standing
        How many of the instances that are here are not rejected.
    is_intact
        Whether the revision is made of just those: nothing that is rejected was in it.
    reason, rejected_at
        Of the last word.
    """

    series_instance_uid: str
    study_instance_uid: str
    revision: int
    standing: int
    is_intact: bool
    reason: RejectionReason
    rejected_at: datetime


def rejected_series(connection: Connection, study_instance_uids: Collection[str]) -> list[RejectedSeries]:
    """Return the series of some studies that have rejected instances here; the last word says why."""
    r = rejection.c
    here = (
        select(*_OF_SERIES, r.reason, r.rejected_at)
        .join(instance, instance.c.series_instance_uid == series.c.series_instance_uid)
        .join(rejection, r.sop_instance_uid == instance.c.sop_instance_uid)
        .where(
            series.c.study_instance_uid.in_(list(study_instance_uids)),
            r.series_instance_uid == series.c.series_instance_uid,
            same_study(),
        )
        .order_by(r.rejected_at, r.reason)
        .distinct()
    )
    last = {row.series_instance_uid: row for row in connection.execute(here)}
    found = []
    for uid, row in sorted(last.items()):
        standing = _standing(connection, uid)
        is_intact = row.instances_digest == instances_digest(standing)
        why = (row.reason, utc(row.rejected_at))
        found.append(RejectedSeries(uid, row.study_instance_uid, row.revision, len(standing), is_intact, *why))
    return found


def _standing(connection: Connection, series_instance_uid: str) -> Sequence[str]:
    where = (instance.c.series_instance_uid == series_instance_uid) & stands()
    return connection.execute(select(instance.c.sop_instance_uid).where(where)).scalars().all()


def void_claims(connection: Connection, found: RejectedSeries, now: datetime) -> None:
    """Await no answer about rejected images; let what stands of the series become a revision of its own."""
    mine = claim.c.series_instance_uid == found.series_instance_uid
    done = {"answered_revision": claim.c.completed_revision, "confirmed_revision": claim.c.completed_revision}
    connection.execute(update(claim).where(mine).values(**done))
    if found.standing:
        connection.execute(update(claim).where(mine, ~claim.c.open).values(open=True, began_at=now))
    else:
        connection.execute(update(claim).where(mine).values(open=False))


def withdrawal(connection: Connection, study_instance_uid: str) -> tuple[RejectionReason, datetime] | None:
    """Return why no image of a study stands, and since when; None while one does, or did when it was deleted."""
    of_study = rejection.c.study_instance_uid == study_instance_uid
    query = select(rejection.c.reason, rejection.c.rejected_at).where(of_study)
    newest = connection.execute(query.order_by(rejection.c.rejected_at.desc(), rejection.c.reason).limit(1)).first()
    if newest is None:
        return None
    images = (series.c.study_instance_uid == study_instance_uid) & series.c.modality.not_in(NOT_IMAGES)
    joined = instance.join(series, series.c.series_instance_uid == instance.c.series_instance_uid)
    standing = select(series.c.series_instance_uid).select_from(joined).where(images, stands())
    named = select(rejection.c.series_instance_uid).where(of_study)
    deleted = select(series.c.series_instance_uid).where(
        images, series.c.deleted_at.is_not(None), series.c.series_instance_uid.not_in(named)
    )
    if any(connection.execute(query.limit(1)).first() is not None for query in (standing, deleted)):
        return None
    return newest.reason, utc(newest.rejected_at)
