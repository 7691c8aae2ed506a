"""Announces what a study holds."""

from __future__ import annotations

from ingest import store
from ingest.announcing import Announcer
from ingest.rejection_store import withdrawal
from voorrang.database import Connection
from voorrang.events.records import StudyUpdated
from voorrang.runtime import Origin


def announce_study(post: Announcer, connection: Connection, study_instance_uid: str) -> None:
    """Announce what a study holds now, as its next version."""
    version = store.next_study_version(connection, study_instance_uid)
    row = store.study_row(connection, study_instance_uid)
    modalities, series_count, instance_count = store.study_contents(connection, study_instance_uid)
    gone = withdrawal(connection, study_instance_uid)
    record = StudyUpdated(
        study_instance_uid=study_instance_uid,
        study_version=version,
        first_received_at=row.first_received_at,
        last_received_at=row.last_received_at,
        modalities=modalities,
        series_count=series_count,
        instance_count=instance_count,
        prior=row.prior,
        claims=store.study_claims(connection, study_instance_uid),
        withdrawn=gone[0] if gone else None,
        withdrawn_at=gone[1] if gone else None,
    )
    post.announce(connection, record, origin_of(post, row), (study_instance_uid, version))


def origin_of(post: Announcer, row: store.StudyRow) -> Origin:
    """Return what the envelope says of a study."""
    uid = row.study_instance_uid
    return Origin(uid, row.patient_key, row.order_key, post.keys.traceparent(uid), row.purpose)
