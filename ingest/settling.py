"""What a person has dealt with is out of quarantine: written once, whoever else acts at that moment."""

from __future__ import annotations

from ingest import quarantine_store
from ingest.desk import Desk
from ingest.quarantine_store import RefusalRow
from voorrang.database import Connection
from voorrang.errors import ConfigurationError


def settle(desk: Desk, connection: Connection, row: RefusalRow, how: str) -> None:
    """
    Write how a refusal was settled.

    Raises
    ------
    ConfigurationError
        When somebody else has settled it.
    """
    if not quarantine_store.settle(connection, row.id, how, desk.clock.now()):
        raise ConfigurationError(f"refusal {row.id} was settled by somebody else at this moment")
