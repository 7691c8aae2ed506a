"""Reads Key Objects as rejection notes; one that cannot be read is shown to a person, beside what was refused."""

from __future__ import annotations

from io import BytesIO

from pydicom import dcmread

from ingest import intake_store
from ingest.rejection_notes import RejectionNote, rejection_note
from ingest.taking import ReceivedInstance, RefusedInstance
from voorrang.archive import ArchiveFullError
from voorrang.database import Connection
from voorrang.logs import get_logger
from voorrang.runtime import Runtime

NOTE_NOT_READ = "note_not_read"  # the reason in quarantine; it was answered Success, and is an instance as any other
_ACCEPTED = 0x0000


class UnreadableNoteError(Exception):
    """What is a Key Object by its class cannot be read: it may reject images, and nobody can tell which."""


def read_note(part10: bytes) -> RejectionNote | None:
    """
    Return what a Key Object rejects; None when it is no rejection.

    Raises
    ------
    UnreadableNoteError
        When it cannot be read, for whatever reason.
    """
    try:
        return rejection_note(dcmread(BytesIO(part10), force=True))
    except Exception as error:  # whatever pydicom raises: a person is shown that it was not read
        raise UnreadableNoteError(type(error).__name__) from error


def show_unread(
    runtime: Runtime, connection: Connection, one: ReceivedInstance, part10: bytes | None, reason: str
) -> None:
    """
    Put a note that was not read among what waits for a person.

    Parameters
    ----------
    runtime, connection
        The service, and a writing transaction.
    one
        The note.
    part10
        Its bytes, of which a copy is kept, since retention may take the instance; None: the disk does not give them, or
        they are too many.
    reason
        Why, for the log.
    """
    get_logger().error("key object not read: it waits in quarantine", reason=reason)
    locator = one.locator
    if part10 is not None:
        try:
            locator = runtime.archive.quarantine(part10, NOTE_NOT_READ)
        except ArchiveFullError:
            get_logger().error("quarantine full", reason=NOTE_NOT_READ)
    waits = RefusedInstance(NOTE_NOT_READ, locator, one.received_at, _ACCEPTED, one.sender)
    intake_store.record_refusal(connection, waits)
