"""
Listens for HL7 v2 over MLLP: a block comes, it is taken, the answer goes back; one after the other on a connection.

The transport is that of the library `hl7`; what it leaves out is here: limits on size, on silence and on connections,
and an answer to whatever can be answered. An answer is written only after the transaction of the message is committed.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event as Flag
from typing import Any

from hl7.mllp import start_hl7_server

from ingest.announcing import Announcer
from ingest.orders.acknowledging import Answer, acknowledgement
from ingest.orders.blocks import read_block
from ingest.orders.refusing import RefusalReason, RefusedMessageError
from ingest.orders.taking import take_message
from voorrang.errors import ConfigurationError
from voorrang.logs import get_logger, of_defect
from voorrang.settings import Settings

MAX_CONNECTIONS = 64
MESSAGE_SECONDS = 60.0  # from the first byte of a message to its last
LOOK_SECONDS = 0.1
BACKLOG = 64

Port = tuple[socket.socket, ssl.SSLContext | None]


def open_ports(settings: Settings, context: ssl.SSLContext | None) -> list[Port]:
    """
    Open the ports that are set.

    Parameters
    ----------
    settings
        Which, and on which host.
    context
        Of the port with TLS; None without.

    Raises
    ------
    ConfigurationError
        When a port is taken.
    """
    opened: list[Port] = []
    if settings.hl7_port:
        opened.append((_bind(settings.bind_host, settings.hl7_port, "VOORRANG_HL7_PORT"), None))
    if settings.hl7_tls_port and context is not None:
        opened.append((_bind(settings.bind_host, settings.hl7_tls_port, "VOORRANG_HL7_TLS_PORT"), context))
    return opened


def _bind(host: str, port: int, variable: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise ConfigurationError(f"HL7 port {port} on {host}: {error.strerror}; set {variable}") from error
    return listening


@dataclass(slots=True)
class MessageListener:
    """
    The listener for orders and reports.

    Parameters
    ----------
    post
        Announces.
    ports
        Where to listen.
    stop
        Set from outside to end.
    """

    post: Announcer
    ports: list[Port]
    stop: Flag
    _open: set[asyncio.Task[None]] = field(default_factory=set)
    _answered: int = 0

    def run(self) -> None:
        """Listen until told to stop; the message in hand is answered."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        # One thread writes: messages of all connections are taken one after the other, and the loop stays free.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="orders") as pool:
            servers = [await self._listen(listening, context, pool) for listening, context in self.ports]
            while not self.stop.is_set():
                await asyncio.sleep(LOOK_SECONDS)
            for server in servers:
                server.close()
            for task in list(self._open):
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    async def _listen(
        self, listening: socket.socket, context: ssl.SSLContext | None, pool: ThreadPoolExecutor
    ) -> asyncio.Server:
        async def connected(reader: asyncio.StreamReader, writer: Any) -> None:
            """Serve one connection."""
            await self._serve(reader, writer, pool)

        limit = self.post.settings.hl7_max_message_bytes
        server: asyncio.Server = await start_hl7_server(connected, sock=listening, ssl=context, limit=limit)
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: Any, pool: ThreadPoolExecutor) -> None:
        task = asyncio.current_task()
        if task is None or len(self._open) >= MAX_CONNECTIONS:
            get_logger().warning("connection for orders refused", limit=MAX_CONNECTIONS)
            writer.close()
            return
        self._open.add(task)
        ended = "stopped"
        try:
            ended = await self._converse(reader, writer, pool)
        except (ConnectionError, ssl.SSLError) as error:
            ended = type(error).__name__
        finally:
            self._open.discard(task)
            get_logger().info("connection for orders ended", reason=ended)
            writer.close()
            with suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: Any, pool: ThreadPoolExecutor) -> str:
        """Take messages until the connection ends; return why it did."""
        while True:
            try:
                first = await asyncio.wait_for(reader.read(1), self.post.settings.hl7_idle_seconds)
            except TimeoutError:
                return "idle"
            if not first:
                return "closed by the sender"
            if first in b"\r\n":  # some senders end a block with more than they should
                continue
            try:
                raw, refused_for = await asyncio.wait_for(read_block(reader, first), MESSAGE_SECONDS)
            except TimeoutError:
                return "a message did not end in time"
            except asyncio.IncompleteReadError:
                return "cut off within a message"
            answering = asyncio.ensure_future(self._answer(raw, refused_for, writer, pool))
            try:
                await asyncio.shield(answering)
            except asyncio.CancelledError:  # told to stop: what is written is answered
                await answering
                raise

    async def _answer(
        self, raw: bytes, refused_for: RefusedMessageError | None, writer: Any, pool: ThreadPoolExecutor
    ) -> None:
        answer = await asyncio.get_running_loop().run_in_executor(pool, self._take, raw, refused_for)
        self._answered += 1
        now = self.post.clock.now()
        writer.writeblock(acknowledgement(answer, now, f"V{now:%y%m%d%H%M%S}{self._answered:06d}"))
        await writer.drain()

    def _take(self, raw: bytes, refused_for: RefusedMessageError | None) -> Answer:
        try:
            return take_message(self.post, raw, refused_for)
        except Exception as error:  # noqa: BLE001 - a defect: named, kept with its message, and answered with AE
            get_logger().error("message failed", **of_defect(error))
            get_logger().debug("message failed", exc_info=True)
            return take_message(self.post, raw, RefusedMessageError(RefusalReason.DEFECT))
