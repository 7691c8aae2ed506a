"""
Puts DIMSE messages together from what comes in, whatever pieces it comes in. Pure: it says where the next bytes are to
be put, and is told how many came.

A data set of one fragment after the other is received straight into the buffer of its instance; only the first bytes
of each PDU pass through a staging buffer, where its headers are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from ingest.listening.protocol import (
    HEADER_BYTES,
    MAX_COMMAND_BYTES,
    PDV_HEADER,
    AbortReason,
    Command,
    Fragment,
    PDUType,
    ProtocolError,
    decode_command,
    encode_fragment_header,
    fragment_header,
    pdu_header,
)

STAGING_BYTES = 16_384
MAX_CONTROL_PDU_BYTES = 262_144  # an A-ASSOCIATE-RQ with 128 contexts of many syntaxes has some 100 kB


class DataSink(Protocol):
    """Where the bytes of a data set go."""

    def room(self, size_bytes: int) -> memoryview:
        """Return room for at most so many more bytes, at least one."""
        ...

    def filled(self, size_bytes: int) -> None:
        """Say that so many bytes of the room are there."""
        ...


class Control(NamedTuple):
    """A PDU that is no data: its type and its whole bytes."""

    kind: int
    pdu: bytes


class Request(NamedTuple):
    """A command set is complete; its data set, if it has one, follows."""

    context_id: int
    command: Command


class DataSetEnd(NamedTuple):
    """The data set of the last request is complete."""

    context_id: int


Message = Control | Request | DataSetEnd
Receive = Callable[[list[memoryview]], int]


class MessageReader:
    """
    One association's stream.

    Parameters
    ----------
    max_pdu_bytes
        What was announced: a longer P-DATA-TF breaks the protocol.
    """

    def __init__(self, max_pdu_bytes: int) -> None:
        self._max_pdu_bytes = max_pdu_bytes
        self._staging = bytearray(STAGING_BYTES)
        self._view = memoryview(self._staging)
        self._start = self._end = 0
        self._pdu_left = 0  # of the P-DATA-TF that is being read, beyond what was consumed
        self._fragment: Fragment | None = None
        self._fragment_left = 0
        self._command = bytearray()
        self._command_context = 0
        self._awaiting: Request | None = None
        self._control: bytearray | None = None
        self._control_end = 0
        self.sink: DataSink | None = None

    @property
    def is_within_message(self) -> bool:
        """Tell whether a PDU or a message has begun and not ended."""
        return bool(self._pdu_left or self._control or self._command or self._awaiting or self._end > self._start)

    @property
    def is_direct(self) -> bool:
        """Tell whether the next bytes go straight to the sink: all that the target has room for belongs there."""
        return self._fragment is not None and not self._fragment.is_command and self._start == self._end

    def target(self) -> memoryview:
        """Return where the next bytes from the network are to be put."""
        if self.is_direct:
            return self._sink().room(self._fragment_left)
        if self._start == self._end:
            self._start = self._end = 0
        elif self._end > STAGING_BYTES - HEADER_BYTES:
            kept = self._end - self._start
            self._staging[:kept] = self._staging[self._start : self._end]
            self._start, self._end = 0, kept
        return self._view[self._end :]

    def stream(self, receive: Receive) -> int:
        """
        Receive what must come next while it goes straight to the sink, fragment after fragment of the same size.

        Parameters
        ----------
        receive
            Fills all that it is given from the network, as far as the peer does not end the stream, and returns how
            many bytes that were.

        Returns
        -------
        int
            How many bytes of the last call `received` is to be told.
        """
        fragment, sink, header = self._fragment, self._sink(), self._view[:HEADER_BYTES]
        self._start = self._end = 0
        if fragment is None:
            return receive([self.target()])
        again = encode_fragment_header(fragment)
        while True:
            left = self._fragment_left
            room = sink.room(left)
            if fragment.is_last or len(room) != left:
                return receive([room])
            # Behind a fragment that is not the last there are the headers of the next.
            size_bytes = receive([room, header])
            if size_bytes != left + HEADER_BYTES or self._pdu_left != left or not self._staging.startswith(again):
                return size_bytes
            sink.filled(left)
            self._fragment_left = self._pdu_left = fragment.size_bytes

    def received(self, size_bytes: int) -> Iterator[Message]:
        """
        Take note of so many bytes in the last target, or of what `stream` returned; give every message that they
        complete.

        Raises
        ------
        ProtocolError
            When the peer broke the protocol.
        """
        if self.is_direct:
            direct = min(size_bytes, self._fragment_left)
            self._sink().filled(direct)
            self._fragment_left -= direct
            self._pdu_left -= direct
            if self._fragment_left:
                return
            yield from self._end_fragment()
            size_bytes -= direct
            if not size_bytes:
                return
        self._end += size_bytes
        yield from self._consume()

    def _consume(self) -> Iterator[Message]:
        while self._start < self._end:
            if self._control is not None:
                yield from self._more_control()
            elif self._fragment is not None:
                yield from self._more_fragment()
            elif self._pdu_left:
                if self._end - self._start < PDV_HEADER.size:
                    return
                self._begin_fragment()
                if self._fragment_left == 0:
                    yield from self._end_fragment()
            elif self._end - self._start < 6:
                return
            else:
                self._begin_pdu()

    def _begin_pdu(self) -> None:
        kind, length = pdu_header(self._staging, self._start)
        if kind == PDUType.DATA:
            if not PDV_HEADER.size <= length <= self._max_pdu_bytes:
                raise ProtocolError(AbortReason.INVALID_PDU_PARAMETER_VALUE, "bad_pdu_length")
            self._start += 6
            self._pdu_left = length
            return
        if kind not in set(PDUType):
            raise ProtocolError(AbortReason.UNRECOGNISED_PDU, "unrecognised_pdu")
        if length > MAX_CONTROL_PDU_BYTES:
            raise ProtocolError(AbortReason.INVALID_PDU_PARAMETER_VALUE, "bad_pdu_length")
        self._control, self._control_end = bytearray(), length + 6

    def _more_control(self) -> Iterator[Message]:
        pdu = self._control
        if pdu is None:
            return
        take = min(self._control_end - len(pdu), self._end - self._start)
        pdu += self._view[self._start : self._start + take]
        self._start += take
        if len(pdu) == self._control_end:
            self._control = None
            yield Control(pdu[0], bytes(pdu))

    def _begin_fragment(self) -> None:
        fragment = fragment_header(self._staging, self._start, self._pdu_left)
        self._start += PDV_HEADER.size
        self._pdu_left -= PDV_HEADER.size
        if fragment.is_command == (self._awaiting is not None):
            raise ProtocolError(AbortReason.UNEXPECTED_PDU, "fragment_out_of_turn")
        expected = self._awaiting.context_id if self._awaiting else self._command_context if self._command else None
        if expected not in (None, fragment.context_id):
            raise ProtocolError(AbortReason.UNEXPECTED_PDU, "fragment_of_another_context")
        if fragment.is_command and len(self._command) + fragment.size_bytes > MAX_COMMAND_BYTES:
            raise ProtocolError(AbortReason.INVALID_PDU_PARAMETER_VALUE, "command_set_too_long")
        self._fragment, self._fragment_left = fragment, fragment.size_bytes
        self._command_context = fragment.context_id

    def _more_fragment(self) -> Iterator[Message]:
        fragment = self._fragment
        if fragment is None:
            return
        take = min(self._fragment_left, self._end - self._start)
        piece = self._view[self._start : self._start + take]
        if fragment.is_command:
            self._command += piece
        else:
            self._pour(piece)
        self._start += take
        self._pdu_left -= take
        self._fragment_left -= take
        if self._fragment_left == 0:
            yield from self._end_fragment()

    def _pour(self, piece: memoryview) -> None:
        sink = self._sink()
        while piece:
            room = sink.room(len(piece))
            size = min(len(room), len(piece))
            room[:size] = piece[:size]
            sink.filled(size)
            piece = piece[size:]

    def _end_fragment(self) -> Iterator[Message]:
        fragment, self._fragment = self._fragment, None
        if fragment is None or not fragment.is_last:
            return
        if not fragment.is_command:
            self._awaiting = None
            yield DataSetEnd(fragment.context_id)
            return
        command = decode_command(bytes(self._command))
        self._command = bytearray()
        request = Request(fragment.context_id, command)
        self._awaiting = request if command.has_data_set else None
        yield request

    def _sink(self) -> DataSink:
        if self.sink is None:
            raise ProtocolError(AbortReason.UNEXPECTED_PDU, "data_set_nobody_asked_for")
        return self.sink
