"""Reads a note again that could not be read when it came: by this version, at the desk, without any listener."""

from __future__ import annotations

from ingest.announcing import DeskAnnouncer
from ingest.auditing import audit_refusal
from ingest.desk import Desk
from ingest.quarantine_reading import silenced
from ingest.quarantine_store import RefusalRow
from ingest.reading_notes import UnreadableNoteError, read_note
from ingest.received import UnreadableInstanceError, read_head, received_head
from ingest.rejecting import settle_note
from ingest.rejection_notes import RejectionNote
from ingest.settling import settle
from voorrang.dicom.headers import InstanceHeader
from voorrang.errors import ConfigurationError
from voorrang.register import Actor


def replay_note(desk: Desk, row: RefusalRow, by: Actor) -> tuple[bool, str]:
    """
    Read a note again and do what it says; tell whether it could be read, and what came of it, in words.

    Raises
    ------
    ConfigurationError
        When its bytes are gone or the disk does not give them, or somebody else has settled it.
    """
    try:
        part10 = desk.archive.read(row.locator)
    except FileNotFoundError as error:
        raise ConfigurationError(f"refusal {row.id}: its bytes are gone; discard it") from error
    except OSError as error:
        raise ConfigurationError(f"refusal {row.id}: its bytes cannot be read ({error.strerror})") from error
    try:
        note, header = _read(part10)
    except (UnreadableNoteError, UnreadableInstanceError) as error:
        with desk.database.write() as connection:
            audit_refusal(desk, connection, "quarantine-replay", by, row.id, "not read")
        return False, f"refusal {row.id}: this version cannot read it either ({error}); it stays in quarantine"
    what = "it rejects nothing" if note is None else "what it rejects is in use no more"
    with desk.database.write() as connection:
        settle(desk, connection, row, "replayed")
        if note is not None:
            settle_note(DeskAnnouncer(desk), connection, note, header, row.at)
        audit_refusal(desk, connection, "quarantine-replay", by, row.id, "read")
        if desk.archive.is_quarantined(row.locator):
            desk.archive.remove(row.locator)
    return True, f"refusal {row.id}: read, {what}; it is out of quarantine"


def _read(part10: bytes) -> tuple[RejectionNote | None, InstanceHeader]:
    with silenced():
        return read_note(part10), received_head(read_head(part10)).header
