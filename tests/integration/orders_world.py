"""A station that hears orders and reports, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ingest.orders.acknowledging import Answer
from ingest.orders.taking import take_message
from tests.integration.listening import Station, make_station, own_database
from voorrang.clock import ManualClock
from voorrang.events.envelope import Event

AGREED: dict[str, Any] = {
    "senders": {"SCANNER": {"default_issuer": "HOSP"}, "PACS": {"default_issuer": "HOSP", "prefetch": True}},
    "hl7_senders": {"RIS": {"default_issuer": "HOSP"}, "NDJSON": {"default_issuer": "HOSP"}},
    "time_zone": "UTC",
}
TOLD = ("order-", "report-", "patient-")


@contextmanager
def hearing(folder: Path, clock: ManualClock, **settings: Any) -> Iterator[Station]:
    """Give a station with a database of its own."""
    with own_database(folder) as database:
        yield make_station(database, folder, clock, **(AGREED | settings))


def hear(station: Station, text: str, encoding: str = "utf-8") -> Answer:
    """Take one message."""
    return take_message(station.runtime, text.encode(encoding))


def heard(station: Station, *texts: str) -> list[str]:
    """Take messages; return what became of each."""
    return [hear(station, text).outcome.value for text in texts]


def told(station: Station) -> list[Event[Any]]:
    """Return the events about orders, reports and patients, in the order in which they were written."""
    from sqlalchemy import select

    from voorrang.events.envelope import decode
    from voorrang.tables import outbox

    events = [decode(row.payload) for row in station.rows(select(outbox.c.payload).order_by(outbox.c.id))]
    return [event for event in events if event.type.startswith(TOLD)]


def types(station: Station) -> list[str]:
    """Return the types of those events."""
    return [event.type for event in told(station)]
