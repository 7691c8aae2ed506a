"""What was refused and kept: looked at, sent to our own listener again, or thrown away by a person."""

from __future__ import annotations

from dataclasses import dataclass

from ingest import quarantine_store
from ingest.auditing import audit_refusal, check_actor
from ingest.desk import Desk
from ingest.quarantine_reading import readable_elements
from ingest.quarantine_store import RefusalRow
from ingest.reading_notes import NOTE_NOT_READ
from ingest.refusal_wording import status_words
from ingest.replaying import replay_file
from ingest.replaying_notes import replay_note
from ingest.settling import settle
from ingest.store import NOT_TAKEN_IN
from ingest.torn import MACHINE_WENT_DOWN
from voorrang.errors import ConfigurationError
from voorrang.register import Actor

LOOPBACK = "127.0.0.1"
_NEVER_REPLAYED = {NOT_TAKEN_IN, MACHINE_WENT_DOWN}


@dataclass(frozen=True, slots=True)
class Kept:
    """One refusal with what is kept of it; the size is None when the bytes are gone."""

    row: RefusalRow
    size_bytes: int | None


def kept(desk: Desk) -> list[Kept]:
    """Return what waits in quarantine for a person, oldest first."""
    with desk.database.read() as connection:
        rows = quarantine_store.unsettled(connection)
    return [Kept(row, _size(desk, row)) for row in rows]


def replayable(desk: Desk) -> list[int]:
    """Return the numbers of what can be sent again: what is in quarantine and still has its bytes."""
    return [one.row.id for one in kept(desk) if one.size_bytes is not None and one.row.reason not in _NEVER_REPLAYED]


def look_at(desk: Desk, refusal_id: int) -> tuple[Kept, dict[str, str]]:
    """
    Return one refusal, and the elements of its file that name nobody.

    Raises
    ------
    ConfigurationError
        When there is none of that number.
    """
    row = _row(desk, refusal_id)
    size = _size(desk, row)
    return Kept(row, size), dict(readable_elements(desk.archive.path(row.locator))) if size is not None else {}


def replay(desk: Desk, refusal_id: int, by: Actor) -> tuple[bool, str]:
    """
    Send one again; tell whether it was accepted, and what was answered, in words.

    Raises
    ------
    ConfigurationError
        When nobody is named, there is none of that number, or it is not to be replayed.
    RetryableError
        When no listener answers.
    """
    check_actor(by)
    row = _open_row(desk, refusal_id)
    if row.reason == NOTE_NOT_READ:
        return replay_note(desk, row, by)
    if row.reason == MACHINE_WENT_DOWN:  # a head that can be read would be accepted, whatever of the pixels is missing
        raise ConfigurationError(f"refusal {refusal_id}: its bytes may be torn; have its sender send it again")
    try:
        path = desk.archive.path(row.locator)
    except FileNotFoundError as error:
        raise ConfigurationError(f"refusal {refusal_id}: its bytes are gone; discard it") from error
    settings = desk.settings
    if not settings.dicom_port:
        raise ConfigurationError(
            "replay sends without TLS, on loopback: set VOORRANG_DICOM_PORT beside VOORRANG_DICOM_TLS_PORT"
        )
    host = LOOPBACK if settings.bind_host in ("0.0.0.0", "::", "localhost") else settings.bind_host  # noqa: S104
    answer = replay_file(path, host, settings.dicom_port)
    words = status_words(answer.status) if answer.status is not None else answer.why
    with desk.database.write() as connection:
        if answer.is_accepted:
            settle(desk, connection, row, "replayed")
        audit_refusal(desk, connection, "quarantine-replay", by, refusal_id, words)
        if answer.is_accepted:
            desk.archive.remove(row.locator)
    if answer.is_accepted:
        return True, f"refusal {refusal_id}: accepted; it is out of quarantine"
    return False, f"refusal {refusal_id}: refused again, {words}; it stays in quarantine"


def discard(desk: Desk, refusal_id: int, by: Actor) -> str:
    """
    Throw one away for good; return what was done, in words.

    Raises
    ------
    ConfigurationError
        When nobody is named, there is none of that number, or it is not to be discarded.
    """
    check_actor(by)
    row = _open_row(desk, refusal_id)
    with desk.database.write() as connection:
        settle(desk, connection, row, "discarded")
        audit_refusal(desk, connection, "quarantine-discard", by, refusal_id)
        # Last, and within: when the disk does not let it go, nothing was settled; what is gone can be settled later.
        freed = desk.archive.remove(row.locator) if desk.archive.is_quarantined(row.locator) else 0
    return f"refusal {refusal_id}: discarded, {freed} bytes freed"


def _row(desk: Desk, refusal_id: int) -> RefusalRow:
    with desk.database.read() as connection:
        row = quarantine_store.find(connection, refusal_id)
    if row is None:
        raise ConfigurationError(
            f"no refusal {refusal_id} in quarantine: `voorrang ingest quarantine list` shows what there is"
        )
    return row


def _open_row(desk: Desk, refusal_id: int) -> RefusalRow:
    row = _row(desk, refusal_id)
    if row.settled:
        raise ConfigurationError(f"refusal {refusal_id} was {row.settled} already")
    if row.reason == NOT_TAKEN_IN:  # its locator is that of an accepted instance: removed, it would be lost
        raise ConfigurationError(f"refusal {refusal_id} was accepted and lies in the archive: it stays there")
    return row


def _size(desk: Desk, row: RefusalRow) -> int | None:
    try:
        return desk.archive.path(row.locator).stat().st_size
    except FileNotFoundError:
        return None
