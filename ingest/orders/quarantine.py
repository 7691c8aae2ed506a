"""What operators do with messages of orders and reports that were refused: list, take again, throw away."""

from __future__ import annotations

from ingest.announcing import DeskAnnouncer
from ingest.auditing import audit_message, check_actor
from ingest.desk import Desk
from ingest.orders import store
from ingest.orders.acknowledging import AckCode
from ingest.orders.lines import KIND, take_line
from ingest.orders.taking import take_message
from voorrang import identity
from voorrang.errors import ConfigurationError
from voorrang.register import Actor


def refused(desk: Desk) -> list[store.MessageRow]:
    """Return the messages that wait for a person, the oldest first."""
    with desk.database.read() as connection:
        return store.refused_messages(connection)


def replay(desk: Desk, message_id: int, by: Actor) -> tuple[bool, str]:
    """
    Take a message again, as it came; tell whether it is taken now, and in words what became of it.

    Raises
    ------
    ConfigurationError
        When nobody is named, or no message of that number waits.
    """
    check_actor(by)
    raw = _kept(desk, message_id)
    with desk.database.read() as connection:
        row = store.message_row(connection, message_id)
    post = DeskAnnouncer(desk)
    answer = take_line(post, raw) if row is not None and row.kind == KIND else take_message(post, raw)
    is_taken = answer.code is AckCode.ACCEPT
    words = answer.outcome.value if is_taken else answer.text
    with desk.database.write() as connection:
        audit_message(desk, connection, "quarantine-replay", by, message_id, words)
    if is_taken:
        return True, f"message {message_id}: taken; it is out of quarantine"
    return False, f"message {message_id}: refused again, {words}; it stays in quarantine"


def discard(desk: Desk, message_id: int, by: Actor) -> str:
    """
    Throw a message away for good; return what was done, in words.

    Raises
    ------
    ConfigurationError
        When nobody is named, or no message of that number waits.
    """
    check_actor(by)
    raw = _kept(desk, message_id)
    with desk.database.write() as connection:
        values = {"settled": "discarded", "settled_at": desk.clock.now()}
        store.settle_message(connection, message_id, values)
        identity.drop_message(connection, message_id)
        audit_message(desk, connection, "quarantine-discard", by, message_id)
    return f"message {message_id}: discarded, {len(raw)} bytes"


def _kept(desk: Desk, message_id: int) -> bytes:
    with desk.database.read() as connection:
        raw = identity.kept_message(connection, message_id)
    if raw is None:
        raise ConfigurationError(f"no message {message_id} waits: `voorrang ingest messages list` shows those that do")
    return raw
