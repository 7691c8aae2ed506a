"""Wires orders and reports into the assembling process of ingest: they need its database, its outbox and its relay."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from ingest.announcing import Announcer
from ingest.listening.configuration import TLSFiles
from ingest.listening.tls import server_context
from ingest.orders import store
from ingest.orders.listener import MessageListener, open_ports
from ingest.orders.waiting import count_waiting
from voorrang.runtime import Runtime

COUNT_EVERY_SECONDS = 5.0
PRUNE_EVERY_SECONDS = 60.0
MESSAGES_A_STEP = 500


def prune(post: Announcer, keep_days: int) -> None:
    """Delete a bounded number of rows of messages that are older than they are kept."""
    with post.database.write() as connection:
        store.prune_messages(connection, post.clock.now() - timedelta(days=keep_days), MESSAGES_A_STEP)


def serve_orders(runtime: Runtime) -> None:
    """
    Listen for HL7 where a port is set, and count what waits.

    Raises
    ------
    ConfigurationError
        When a port is taken, or the files of TLS cannot be used.
    """
    settings = runtime.settings
    runtime.every(PRUNE_EVERY_SECONDS, "old messages", partial(prune, runtime, settings.hl7_keep_days))
    runtime.every(COUNT_EVERY_SECONDS, "orders waiting", partial(count_waiting, runtime))
    files = settings.tls_files() if settings.hl7_tls_port else None
    context = server_context(TLSFiles(*files)) if files else None
    if ports := open_ports(settings, context):
        runtime.work("orders", MessageListener(runtime, ports, runtime.stop).run)
