"""Takes rejection notes: what they name is of no use any more, and whoever made something of it is told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from ingest import rejection_store, store
from ingest.announcing import Announcer
from ingest.reading_notes import UnreadableNoteError, read_note, show_unread
from ingest.rejection_notes import KEY_OBJECT_SELECTION, RejectionNote
from ingest.study_announcing import announce_study, origin_of
from ingest.taking import ReceivedInstance
from voorrang.database import Connection
from voorrang.dicom.headers import InstanceHeader
from voorrang.events.records import SeriesRejected
from voorrang.runtime import Runtime

MAX_NOTE_BYTES = 32 << 20  # some 100,000 images; a note is read whole, and a sender must not fill our memory


def settle_rejections(
    runtime: Runtime, connection: Connection, batch: Sequence[ReceivedInstance], read: Callable[[str], bytes]
) -> set[str]:
    """
    Write what the notes of a batch reject, and void the series that this touches; images may come after their note.

    A note that came for another purpose than the stack's rejects nothing, and none rejects beyond its own study. One
    that cannot be read, or is larger than any, rejects nothing yet: it waits for a person.

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
        if one.header_values.get("sop_class_uid") == KEY_OBJECT_SELECTION:
            fresh |= _take_note(runtime, connection, one, read)
    return _void_touched(runtime, connection, {one.study_instance_uid for one in mine}, fresh)


def settle_note(
    post: Announcer, connection: Connection, note: RejectionNote, of: InstanceHeader, received_at: datetime
) -> None:
    """Write what a note rejects that could not be read when it came, as if it came now, and tell who is to know."""
    study_instance_uid = of.study_instance_uid
    fresh = rejection_store.keep_note(connection, of.sop_instance_uid, note.within(study_instance_uid), received_at)
    for uid in _void_touched(post, connection, {study_instance_uid}, fresh):
        announce_study(post, connection, uid)


def _take_note(
    runtime: Runtime, connection: Connection, one: ReceivedInstance, read: Callable[[str], bytes]
) -> set[str]:
    """Write what a note rejects; return the series that this is new for."""
    if one.size_bytes > MAX_NOTE_BYTES:
        show_unread(runtime, connection, one, None, "too_large")
        return set()
    content = None
    try:
        content = read(one.locator)
        note = read_note(content)
    except (UnreadableNoteError, OSError) as error:
        reason = str(error) if isinstance(error, UnreadableNoteError) else type(error).__name__
        show_unread(runtime, connection, one, content, reason)
        return set()
    if note is None:
        return set()
    within = note.within(one.study_instance_uid)
    return rejection_store.keep_note(connection, one.sop_instance_uid, within, one.received_at)


def _void_touched(
    post: Announcer, connection: Connection, study_instance_uids: Collection[str], fresh: set[str]
) -> set[str]:
    """Void what is rejected of some studies; return those that have rejected instances."""
    touched = rejection_store.with_rejections(connection, study_instance_uids)
    for found in rejection_store.rejected_series(connection, touched) if touched else []:
        # What is rejected when it comes was in no revision: only a series of which nothing stands is void by that.
        if not found.is_intact and (found.series_instance_uid in fresh or not found.standing):
            _void(post, connection, found)
    return touched


def _void(post: Announcer, connection: Connection, found: rejection_store.RejectedSeries) -> None:
    record = SeriesRejected(
        study_instance_uid=found.study_instance_uid,
        series_instance_uid=found.series_instance_uid,
        series_revision=found.revision,
        reason=found.reason,
        rejected_at=found.rejected_at,
    )
    row = store.study_row(connection, found.study_instance_uid)
    facts = (found.series_instance_uid, found.revision, found.reason, found.rejected_at.isoformat())
    post.announce(connection, record, origin_of(post, row), facts)
    rejection_store.void_claims(connection, found, post.clock.now())
