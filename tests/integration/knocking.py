"""Connections to a listener by hand, to say what no sender would say."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests import pdus
from tests.integration.listening import Station, make_station
from tests.neighbours.starting import wait_until
from voorrang.clock import ManualClock
from voorrang.database import Database

HERE = "127.0.0.1"
TIMEOUT_SECONDS = 60.0
SOON = 0.3  # seconds: how long a listener waits that is to lose its patience within a test
ABORT_PDU_BYTES = 10


def make_impatient(database: Database, data_dir: Path, clock: ManualClock, *, seconds: Any, **settings: Any) -> Station:
    """Make a station whose listener has other limits of time than it ships with."""
    made = make_station(database, data_dir, clock, **settings)
    made.receiver.configuration = replace(made.receiver.configuration, **seconds)
    return made


def connect(port: int, source: str = HERE) -> socket.socket:
    """Connect from an address of loopback."""
    return socket.create_connection((HERE, port), TIMEOUT_SECONDS, (source, 0))


@contextmanager
def knocking(port: int, request: bytes | None = None, source: str = HERE) -> Iterator[tuple[socket.socket, bytes]]:
    """Ask for an association; give the connection and the PDU that was answered."""
    with connect(port, source) as connection:
        connection.sendall(pdus.associate_request() if request is None else request)
        yield connection, read_pdu(connection)


def read_pdu(connection: socket.socket) -> bytes:
    """Read one PDU; what there is when the connection ends."""
    head = _read(connection, 6)
    return head + _read(connection, int.from_bytes(head[2:], "big"))


def read_to_end(connection: socket.socket) -> bytes:
    """Read until the listener hangs up."""
    found = b""
    with suppress(ConnectionResetError, BrokenPipeError):
        while more := connection.recv(65_536):
            found += more
    return found


def _read(connection: socket.socket, count: int) -> bytes:
    found = b""
    with suppress(ConnectionResetError):
        while len(found) < count and (more := connection.recv(count - len(found))):
            found += more
    return found


def serving_threads() -> int:
    """Return how many threads serve a connection in this process."""
    return sum(thread.name == "association" for thread in threading.enumerate())


def wait_until_nobody_is_served() -> None:
    """Wait until every thread of a connection has ended."""
    wait_until(lambda: serving_threads() == 0, TIMEOUT_SECONDS, "threads of connections that have ended are left over")


def parts(station: Station) -> list[Path]:
    """Return the part files that lie in the archive."""
    return list(station.runtime.archive.incoming.iterdir())
