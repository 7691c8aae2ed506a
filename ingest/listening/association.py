"""One association on one connection, from its request to its end, in a thread of its own."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Event as Flag
from time import monotonic
from typing import NoReturn

from ingest.admission import Request as StoreRequest
from ingest.admission import StoreStatus
from ingest.listening.incoming import Incoming
from ingest.listening.messages import Control, DataSetEnd, Message, MessageReader, Request
from ingest.listening.negotiation import (
    MAX_PDU_BYTES,
    Agreement,
    NegotiationError,
    Negotiator,
    Proposal,
    Rejection,
    read_proposal,
    reject,
)
from ingest.listening.pacing import Pacer
from ingest.listening.passage import Passage
from ingest.listening.protocol import (
    AbortReason,
    Command,
    CommandField,
    PDUType,
    ProtocolError,
    encode_abort,
    encode_release_response,
    encode_response,
)
from ingest.listening.receiving import Receiver
from ingest.tally import Count
from voorrang.logs import get_logger, of_defect

MIN_BYTES_PER_SECOND = 10_000
_NAGGED = (TimeoutError, BlockingIOError, ssl.SSLWantReadError)


class Ending(StrEnum):
    """How a connection ended; a closed set, for the audit line."""

    RELEASED = "released"
    ABORTED_BY_PEER = "aborted_by_peer"
    CLOSED_BY_PEER = "closed_by_peer"
    IDLE = "idle"
    TOO_SLOW = "too_slow"
    REJECTED = "rejected"
    PROTOCOL = "protocol"
    STOPPED = "stopped"
    FAILED = "failed"


class _EndedError(Exception):
    def __init__(self, ending: Ending, detail: str = "") -> None:
        super().__init__(ending)
        self.ending = ending
        self.detail = detail


@dataclass(slots=True)
class Association:
    """
    Answers one peer.

    Parameters
    ----------
    connection
        Accepted, and with TLS shaken hands.
    peer_address
        For the audit line.
    receiver, negotiator, pacer
        What it works with.
    passage
        Called once with the calling AE title and whether it is agreed to be urgent: its part in who goes first.
    admit
        Called once with what is asked: why it is rejected, or None.
    stop
        Set when the listener stops: looked at between messages.
    """

    connection: socket.socket
    peer_address: str
    receiver: Receiver
    negotiator: Negotiator
    pacer: Pacer
    passage: Callable[[str, bool], Passage]
    admit: Callable[[Proposal], Rejection | None]
    stop: Flag
    _reader: MessageReader = field(default_factory=lambda: MessageReader(MAX_PDU_BYTES))
    _proposal: Proposal | None = None
    _agreement: Agreement | None = None
    _pending: tuple[Request, StoreRequest, str] | None = None
    _began_at: float = 0.0
    _came: int = 0
    _stored: int = 0
    _passage: Passage | None = None
    _gave_way_seconds: float = 0.0
    _incoming: Incoming = field(init=False)

    def __post_init__(self) -> None:
        """Take memory for the instances that come."""
        self._incoming = self._reader.sink = self.receiver.incoming()

    def run(self) -> None:
        """Serve the peer until one of us ends it, and write the audit line."""
        ending, detail = Ending.CLOSED_BY_PEER, ""
        try:
            self._serve()
        except _EndedError as ended:
            ending, detail = ended.ending, ended.detail
        except ProtocolError as error:
            ending, detail = Ending.PROTOCOL, error.code
            self._send_last(encode_abort(error.reason))
        except (OSError, ssl.SSLError) as error:
            ending, detail = Ending.CLOSED_BY_PEER, type(error).__name__
        except Exception as error:  # noqa: BLE001 - a fault of ours ends this association only, and is told
            ending, detail = Ending.FAILED, type(error).__name__
            get_logger().debug("association failed", exc_info=True)
            self._send_last(encode_abort(AbortReason.NOT_SPECIFIED))
        finally:
            self._incoming.drop()
            if self._passage is not None:
                self._passage.leave()
            self._audit(ending, detail)

    def _serve(self) -> None:
        """Receive and answer; ends by an exception only."""
        reader, connection = self._reader, self.connection
        is_secured = isinstance(connection, ssl.SSLSocket)
        set_patience(connection, self.receiver.configuration.request_seconds)
        self._began_at = monotonic()
        while True:
            try:
                if reader.is_direct and not is_secured:
                    size = reader.stream(self._receive_all)
                else:
                    size = self._came_in(connection.recv_into(reader.target()))
            except _NAGGED as error:
                self._on_silence(error)
            for message in reader.received(size):
                self._on_message(message)
            if not reader.is_within_message:
                self._between_messages()
            self._look_ahead()

    def _receive_all(self, targets: list[memoryview]) -> int:
        """Receive all of a fragment in one call: fewer turns of a loop that holds the interpreter."""
        self._look_ahead()
        return self._came_in(self.connection.recvmsg_into(targets, 0, socket.MSG_WAITALL)[0])

    def _came_in(self, size_bytes: int) -> int:
        """Take note of so many bytes; whoever sends too slowly is left."""
        if size_bytes == 0:
            self._on_end()
        now = monotonic()
        if self._came == 0 and self._agreement is not None:
            self._began_at = now
        self._came += size_bytes
        if self._passage is not None:
            self._passage.go_on(now, size_bytes)
        if now > self._deadline():
            self._send_last(encode_abort(AbortReason.NOT_SPECIFIED))
            raise _EndedError(Ending.TOO_SLOW)
        return size_bytes

    def _look_ahead(self) -> None:
        if self._incoming.has_new_head and self._pending is not None:
            self.receiver.look_ahead(self._incoming, self._pending[1], self._pending[2])

    def _deadline(self) -> float:
        told = self.receiver.configuration
        patience = told.message_seconds if self._agreement else told.request_seconds
        return self._began_at + patience + self._came / MIN_BYTES_PER_SECOND

    def _between_messages(self) -> None:
        if self.stop.is_set():
            self._stop()
        self._came = 0

    def _on_end(self) -> NoReturn:
        """Nothing more comes: the peer has closed, or our own server has, to wake us."""
        if self.stop.is_set():
            self._stop()
        raise _EndedError(Ending.CLOSED_BY_PEER)

    def _stop(self) -> NoReturn:
        self._send_last(encode_abort(AbortReason.NOT_SPECIFIED))
        raise _EndedError(Ending.STOPPED)

    def _on_silence(self, error: Exception) -> NoReturn:
        within = self._reader.is_within_message or self._agreement is None
        self._send_last(encode_abort(AbortReason.NOT_SPECIFIED))
        raise _EndedError(Ending.TOO_SLOW if within else Ending.IDLE) from error

    def _on_message(self, message: Message) -> None:
        if isinstance(message, Request):
            self._on_request(message)
        elif isinstance(message, DataSetEnd):
            self._on_data_set()
        else:
            self._on_control(message)

    def _on_control(self, control: Control) -> None:
        if control.kind == PDUType.ABORT:
            raise _EndedError(Ending.ABORTED_BY_PEER)
        if control.kind == PDUType.ASSOCIATE_RQ and self._agreement is None:
            self._negotiate(control.pdu)
        elif control.kind == PDUType.RELEASE_RQ and self._agreement is not None:
            self._send_last(encode_release_response())
            raise _EndedError(Ending.RELEASED)
        else:
            raise ProtocolError(AbortReason.UNEXPECTED_PDU, "unexpected_pdu")

    def _negotiate(self, pdu: bytes) -> None:
        try:
            self._proposal = read_proposal(pdu)
            why = self.admit(self._proposal)
            if why is not None:
                self._send_last(reject(why))
                raise _EndedError(Ending.REJECTED, why.name.lower())
            told = self.receiver.configuration
            sender = told.sender(self._proposal.calling_ae_title)
            self._agreement = self.negotiator.accept(
                self._proposal, lambda sop_class: not sender.sop_classes or sop_class in sender.sop_classes
            )
        except NegotiationError as error:
            raise ProtocolError(AbortReason.INVALID_PDU_PARAMETER_VALUE, "bad_association_request") from error
        self._passage = self.passage(self._proposal.calling_ae_title, sender.is_urgent)
        self.connection.sendall(self._agreement.answer)
        set_patience(self.connection, told.idle_seconds)
        self._audit_opened()

    def _on_request(self, request: Request) -> None:
        if self._agreement is None or self._proposal is None or self._passage is None:
            raise ProtocolError(AbortReason.UNEXPECTED_PDU, "data_before_association")
        context = self._agreement.contexts.get(request.context_id)
        command = request.command
        if context is None:
            raise ProtocolError(AbortReason.INVALID_PDU_PARAMETER_VALUE, "context_not_accepted")
        if command.field == CommandField.C_ECHO_RQ and not command.has_data_set:
            self.receiver.tally.add(Count.ECHOES)
            self._answer(command, request.context_id, StoreStatus.SUCCESS)
            return
        if command.field != CommandField.C_STORE_RQ:
            raise ProtocolError(AbortReason.UNEXPECTED_PDU, "command_not_served")
        store = StoreRequest(
            command.sop_class_uid,
            command.sop_instance_uid,
            self._proposal.calling_ae_title,
            self._proposal.called_ae_title,
            agreed_sop_class_uid=context[0],
        )
        self._passage.begin(monotonic())
        self.receiver.begin(self._incoming, store, context[1])
        self._pending = (request, store, context[1])
        if not command.has_data_set:
            self._on_data_set()

    def _on_data_set(self) -> None:
        if self._pending is None or self._passage is None:
            raise ProtocolError(AbortReason.UNEXPECTED_PDU, "data_set_nobody_asked_for")
        request, store, syntax = self._pending
        self._pending = None
        try:
            status = self.receiver.finish(self._incoming, store, syntax)
        except Exception as error:  # noqa: BLE001 - answered with a code, counted by the sender; the listener goes on
            get_logger().error("C-STORE failed", **of_defect(error))
            get_logger().debug("C-STORE failed", exc_info=True)
            status = StoreStatus.OUT_OF_RESOURCES
        self._stored += status == StoreStatus.SUCCESS
        if waited := self._passage.end(monotonic(), self.stop.wait):
            self._gave_way_seconds += waited
            self.receiver.tally.add(Count.GAVE_WAY_MS, round(1e3 * waited))
        self.pacer.wait(store.calling_ae_title)
        self._answer(request.command, request.context_id, status)
        self._incoming.drop()

    def _answer(self, command: Command, context_id: int, status: StoreStatus) -> None:
        self.connection.sendall(encode_response(command, context_id, status))

    def _send_last(self, pdu: bytes) -> None:
        try:
            self.connection.sendall(pdu)
        except OSError:
            return  # whoever has gone needs no goodbye

    def _audit_opened(self) -> None:
        self.receiver.tally.add(Count.ASSOCIATIONS_OPENED)
        get_logger().info("association opened", **self._who())

    def _audit(self, ending: Ending, detail: str) -> None:
        if ending is Ending.REJECTED:
            self.receiver.tally.add(Count.ASSOCIATIONS_REJECTED)
        elif ending not in (Ending.RELEASED, Ending.STOPPED):
            self.receiver.tally.add(Count.ASSOCIATIONS_ABORTED)
        log = get_logger()
        speak = log.info if ending in (Ending.RELEASED, Ending.STOPPED) else log.warning
        waited = {"gave_way_seconds": round(self._gave_way_seconds, 1)} if self._gave_way_seconds else {}
        speak(f"association {ending}", reason=detail or ending.value, stored=self._stored, **waited, **self._who())

    def _who(self) -> dict[str, str]:
        proposal = self._proposal
        return {
            "peer": self.peer_address,
            "calling": proposal.calling_ae_title[:16] if proposal else "",
            "called": proposal.called_ae_title[:16] if proposal else "",
        }


def set_patience(connection: socket.socket, seconds: float) -> None:
    """
    Bound how long one receive or send may take.

    A plain socket is told so in the kernel: Python's own time-out would ask before each receive whether there is
    something to receive.
    """
    if isinstance(connection, ssl.SSLSocket):
        connection.settimeout(seconds)
        return
    whole, rest = divmod(seconds, 1.0)
    limit = struct.pack("ll", int(whole), int(rest * 1e6))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
