"""Accepts connections, with and without TLS, and gives each a thread; keeps anybody from taking all the room."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import Lock, Thread
from time import monotonic

from ingest.listening.association import Association
from ingest.listening.configuration import ListenerConfiguration
from ingest.listening.negotiation import Negotiator, Proposal, Rejection, hear_everything
from ingest.listening.pacing import Pacer
from ingest.listening.passage import Passage
from ingest.listening.places import Places
from ingest.listening.receiving import Receiver
from ingest.listening.recent_bytes import RecentBytes, sender_number
from ingest.listening.right_of_way import RightOfWay
from ingest.listening.tls import server_context
from ingest.tally import Count
from voorrang.errors import ConfigurationError
from voorrang.logs import get_logger

BACKLOG = 128
MAX_UNASKED = 128  # connections that have not asked for an association yet
THREAD_STACK_BYTES = 512 << 10
STOP_SECONDS = 10.0
ACCEPT_SECONDS = 0.25
DROP_SECONDS = 0.01
YIELD_SECONDS = 0.002  # in which a process with fewer associations takes what has come

Listening = Sequence[tuple[socket.socket, ssl.SSLContext | None]]


@dataclass(slots=True)
class _Peer:
    address: str
    connection: socket.socket
    since: float
    has_asked: bool = False
    is_dropped: bool = False


@dataclass(slots=True)
class Server:
    """
    Answers associations until closed.

    Whoever connects and does not ask is dropped after a while, the oldest first when they are many; whoever asks gets
    one of `max_associations` places, of which one address can have at most half.

    Parameters
    ----------
    configuration
        Where to listen and for whom.
    receiver
        Gets every instance.
    places, right_of_way, recent_bytes
        Count associations, tell who goes first, and who has sent how much, over all processes.
    sockets
        Where to listen, when somebody else has opened that; empty: opened here.
    """

    configuration: ListenerConfiguration
    receiver: Receiver
    places: Places = field(default_factory=Places)
    right_of_way: RightOfWay = field(default_factory=RightOfWay)
    recent_bytes: RecentBytes = field(default_factory=RecentBytes)
    sockets: Listening = ()
    _stop: Flag = field(default_factory=Flag)
    _lock: Lock = field(default_factory=Lock)
    _peers: dict[int, _Peer] = field(default_factory=dict)
    _threads: list[Thread] = field(default_factory=list)
    _negotiator: Negotiator = field(default_factory=Negotiator)

    def open(self) -> None:
        """
        Start to listen.

        Raises
        ------
        ConfigurationError
            When a port is taken, or the files of TLS cannot be used.
        """
        hear_everything()
        self.sockets = self.sockets or listening_sockets(self.configuration)
        pacer = Pacer(self.configuration, self._stop.wait)
        thread = Thread(target=self._accept, args=(pacer,), name="accept")
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """Stop to listen; what is being received is finished and answered, then every association ends."""
        self._stop.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS)
        for listening, _ in self.sockets:
            listening.close()
        self._end_peers()
        self.sockets, self._threads = (), []

    def _end_peers(self) -> None:
        """Wake those who wait for their peer; the others end by themselves after their message."""
        deadline = monotonic() + STOP_SECONDS
        with self._lock:
            peers = list(self._peers.values())
        for peer in peers:
            _shut(peer.connection, socket.SHUT_RD)
        while self._peers and monotonic() < deadline:
            Flag().wait(0.01)

    def _accept(self, pacer: Pacer) -> None:
        contexts = dict(self.sockets)
        while not self._stop.is_set():
            ready, _, _ = select.select(list(contexts), [], [], ACCEPT_SECONDS)
            if ready and self.places.is_busier():
                self._stop.wait(YIELD_SECONDS)
            for listening in ready:
                try:
                    connection, address = listening.accept()
                    connection.setblocking(True)
                except BlockingIOError:
                    continue  # another process was quicker
                except OSError as error:
                    get_logger().warning("connection lost", reason=type(error).__name__)
                    self._stop.wait(ACCEPT_SECONDS)  # out of descriptors, most likely: let some be given back
                    continue
                self._begin(connection, str(address[0]), contexts[listening], pacer)

    def _begin(self, connection: socket.socket, address: str, context: ssl.SSLContext | None, pacer: Pacer) -> None:
        self.places.connected()  # at once: the next may come before this one has asked for anything
        self._make_room()
        peer = _Peer(address, connection, monotonic())
        with self._lock:
            self._peers[id(peer)] = peer
        try:
            Thread(target=self._serve, args=(peer, context, pacer), name="association", daemon=True).start()
        except RuntimeError:  # no thread to be had: this one goes, the listener stays
            get_logger().error("connection refused", reason="no_thread", peer=address)
            self._end(peer)

    def _serve(self, peer: _Peer, context: ssl.SSLContext | None, pacer: Pacer) -> None:
        try:
            peer.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is not None:
                self._shake_hands(peer, context)
            Association(
                peer.connection,
                peer.address,
                self.receiver,
                self._negotiator,
                pacer,
                lambda title, is_urgent: self._passage(peer, title, is_urgent),
                lambda proposal: self._admit(peer, proposal),
                self._stop,
            ).run()
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            get_logger().warning("connection refused", reason=str(reason).lower(), peer=peer.address)
            self.receiver.tally.add(Count.ASSOCIATIONS_REJECTED)
        finally:
            self._end(peer)

    def _passage(self, peer: _Peer, calling_ae_title: str, is_urgent: bool) -> Passage:
        sender = sender_number(calling_ae_title, peer.address)
        return Passage(self.right_of_way, self.recent_bytes, sender, is_urgent, self._may_wait)

    def _may_wait(self) -> bool:
        return self.configuration.has_urgent_senders() or self.right_of_way.is_crowd(self.places.connections())

    def _end(self, peer: _Peer) -> None:
        peer.connection.close()
        self.places.connected(-1)
        with self._lock:
            del self._peers[id(peer)]
        if peer.has_asked:
            self.places.leave(peer.address)
            self.receiver.tally.add(Count.ASSOCIATIONS_OPEN, -1)

    def _shake_hands(self, peer: _Peer, context: ssl.SSLContext) -> None:
        secured = context.wrap_socket(peer.connection, server_side=True, do_handshake_on_connect=False)
        peer.connection = secured  # first, so that it can be dropped meanwhile
        secured.settimeout(self.configuration.request_seconds)
        secured.do_handshake()

    def _admit(self, peer: _Peer, proposal: Proposal) -> Rejection | None:
        told = self.configuration
        if proposal.called_ae_title not in told.called_ae_titles:
            return Rejection.CALLED_AE_TITLE
        if told.known_senders_only and proposal.calling_ae_title not in told.senders:
            return Rejection.CALLING_AE_TITLE
        if not self.places.take(peer.address, told.max_associations, max(1, told.max_associations // 2)):
            return Rejection.TOO_MANY_ASSOCIATIONS
        peer.has_asked = True
        self.receiver.tally.add(Count.ASSOCIATIONS_OPEN)
        return None

    def _make_room(self) -> None:
        """Drop the oldest that has not asked when they are many; wait while many that were dropped are still there."""
        while True:
            with self._lock:
                unasked = [peer for peer in self._peers.values() if not peer.has_asked]
                waiting = [peer for peer in unasked if not peer.is_dropped]
                if len(waiting) >= MAX_UNASKED:
                    oldest = min(waiting, key=lambda peer: peer.since)
                    oldest.is_dropped = True
                    _shut(oldest.connection, socket.SHUT_RDWR)
            if len(unasked) - len(waiting) < MAX_UNASKED or self._stop.wait(DROP_SECONDS):
                return


def _shut(connection: socket.socket, how: int) -> None:
    """Shut a connection that another thread serves, whose TLS must go on: its own method would end that at once."""
    with suppress(OSError):
        socket.socket.shutdown(connection, how)


def listening_sockets(told: ListenerConfiguration) -> Listening:
    """
    Open the ports.

    Raises
    ------
    ConfigurationError
        When a port is taken, or the files of TLS cannot be used.
    """
    opened: list[tuple[socket.socket, ssl.SSLContext | None]] = []
    if told.tls is not None:
        context = server_context(told.tls)
        opened.append((_bind(told.host, told.tls_port, "VOORRANG_DICOM_TLS_PORT"), context))
    if told.port or told.tls is None:
        opened.append((_bind(told.host, told.port, "VOORRANG_DICOM_PORT"), None))
    return opened


def _bind(host: str, port: int, variable: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise ConfigurationError(f"DICOM port {port} on {host}: {error.strerror}; set {variable}") from error
    return listening
