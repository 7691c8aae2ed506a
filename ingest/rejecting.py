"""Takes rejection notes: what they name is of no use any more, and whoever made something of it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO

from pydicom import dcmread

from ingest import rejection_store, store
from ingest.rejection_notes import KEY_OBJECT_SELECTION, RejectionNote, rejection_note
from ingest.study_announcing import origin_of
from ingest.taking import ReceivedInstance
from voorrang.database import Connection
from voorrang.events.records import SeriesRejected
from voorrang.logs import get_logger
from voorrang.runtime import Runtime


def settle_rejections(
    runtime: Runtime, connection: Connection, batch: Sequence[ReceivedInstance], read: Callable[[str], bytes]
) -> set[str]:
    """
    Write what the notes of a batch reject, and void the series that this touches; images may come after their note.

    A note that came for another purpose than the stack's rejects nothing, and none rejects beyond its own study.

    Parameters
    ----------
    runtime, connection
        The service, and a writing transaction.
    batch
        What has come.
    read
        Gives the bytes under a locator.

    Returns
    -------
    set of str
        The studies to be announced anew.
    """
    mine = [one for one in batch if one.purpose is runtime.settings.purpose]
    fresh: set[str] = set()
    for one in mine:
        note = _note_of(one, read)
        if note is not None:
            fresh |= rejection_store.keep_note(connection, one.sop_instance_uid, note, one.received_at)
    touched = rejection_store.with_rejections(connection, {one.study_instance_uid for one in mine})
    for found in rejection_store.rejected_series(connection, touched) if touched else []:
        # What is rejected when it comes was in no revision: only a series of which nothing stands is void by that.
        if not found.is_intact and (found.series_instance_uid in fresh or not found.standing):
            _void(runtime, connection, found)
    return touched


def _note_of(one: ReceivedInstance, read: Callable[[str], bytes]) -> RejectionNote | None:
    if one.header_values.get("sop_class_uid") != KEY_OBJECT_SELECTION:
        return None
    try:
        content = read(one.locator)
    except OSError as error:
        get_logger().error("key object not read", reason=type(error).__name__)
        return None
    try:
        note = rejection_note(dcmread(BytesIO(content), force=True))
    except Exception as error:  # noqa: BLE001 - what pydicom cannot read, by whatever it raises, rejects nothing
        get_logger().error("key object not read", reason=type(error).__name__)
        return None
    return note.within(one.study_instance_uid) if note is not None else None


def _void(runtime: Runtime, connection: Connection, found: rejection_store.RejectedSeries) -> None:
    record = SeriesRejected(
        study_instance_uid=found.study_instance_uid,
        series_instance_uid=found.series_instance_uid,
        series_revision=found.revision,
        reason=found.reason,
        rejected_at=found.rejected_at,
    )
    row = store.study_row(connection, found.study_instance_uid)
    facts = (found.series_instance_uid, found.revision, found.reason, found.rejected_at.isoformat())
    runtime.announce(connection, record, origin_of(runtime, row), facts)
    rejection_store.void_claims(connection, found, runtime.clock.now())
