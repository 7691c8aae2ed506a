"""Wires orders and reports into the assembling process of ingest: they need its database, its outbox and its relay."""

from __future__ import annotations

from functools import partial

from ingest.listening.configuration import TLSFiles
from ingest.listening.tls import server_context
from ingest.orders.listener import MessageListener, open_ports
from ingest.orders.waiting import count_waiting
from voorrang.runtime import Runtime

COUNT_EVERY_SECONDS = 5.0


def serve_orders(runtime: Runtime) -> None:
    """
    Listen for HL7 where a port is set, and count what waits.

    Raises
    ------
    ConfigurationError
        When a port is taken, or the files of TLS cannot be used.
    """
    settings = runtime.settings
    runtime.every(COUNT_EVERY_SECONDS, "orders waiting", partial(count_waiting, runtime))
    files = settings.tls_files() if settings.hl7_tls_port else None
    context = server_context(TLSFiles(*files)) if files else None
    if ports := open_ports(settings, context):
        runtime.work("orders", MessageListener(runtime, ports, runtime.stop).run)
