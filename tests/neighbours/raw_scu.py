"""
A sender that checks nothing: PDUs by hand (PS3.8 section 9.3), so that it can say what no library would say.

It pushes bytes as a data set whatever they are, under UIDs of its own choice, and it can stop half-way.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from voorrang.bench.raw_association import AssociationLostError as AssociationLostError
from voorrang.bench.raw_association import element, even, item, items, pdu, status_of

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
C_STORE, C_ECHO = 0x0001, 0x0030
NO_DATA_SET, WITH_DATA_SET = 0x0101, 0x0000
ACCEPTED, REJECTED, DATA, RELEASE, RELEASED, ABORT = 0x02, 0x03, 0x04, 0x05, 0x06, 0x07
TIMEOUT_SECONDS = 60.0
FRAGMENT = 16_000


class RawSCU:
    """
    One association, as a context: it is established at the start and released at the end unless it is lost before.

    Parameters
    ----------
    port
        Where the listener is, on loopback.
    contexts
        (abstract syntax, transfer syntax) pairs; Verification is always proposed beside them.
    called, calling
        AE titles, padded here.
    """

    def __init__(
        self,
        port: int,
        contexts: Sequence[tuple[str, str]] = (),
        called: str = "VOORRANG",
        calling: str = "RAWSCU",
    ) -> None:
        wanted = [(VERIFICATION, IMPLICIT_LITTLE), *contexts]
        self._ids = {context: 2 * i + 1 for i, context in enumerate(wanted)}
        self.accepted: frozenset[tuple[str, str]] = frozenset()
        self._called, self._calling, self._wanted = called, calling, wanted
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
        self._message_id = 0

    def __enter__(self) -> Self:
        try:
            self._associate()
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._release()
        finally:
            self._socket.close()

    def echo(self) -> int:
        """Send a C-ECHO and return its status."""
        return self._ask((VERIFICATION, IMPLICIT_LITTLE), C_ECHO, VERIFICATION, None, None)

    def store(self, context: tuple[str, str], sop_class_uid: str, sop_instance_uid: str, data_set: bytes | None) -> int:
        """
        Send a C-STORE on a context and return its status.

        Raises
        ------
        AssociationLostError
            When the peer ends the association instead of answering.
        """
        return self._ask(context, C_STORE, sop_class_uid, sop_instance_uid, data_set)

    def store_half(self, context: tuple[str, str], sop_class_uid: str, sop_instance_uid: str, data_set: bytes) -> None:
        """Send a C-STORE whose last fragment never comes."""
        self._send_command(context, C_STORE, sop_class_uid, sop_instance_uid, WITH_DATA_SET)
        self._send_pdv(context, 0x00, data_set)

    def abort(self) -> None:
        """Send A-ABORT and close."""
        self._socket.sendall(pdu(ABORT, bytes(4)))
        self._socket.close()

    def vanish(self) -> None:
        """Close the connection without a word."""
        self._socket.close()

    def reset(self) -> None:
        """Close the connection by a TCP reset, as a machine that was switched off answers."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def push(self, content: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(content)

    def message(self, context: tuple[str, str], sop_class_uid: str, sop_instance_uid: str, data_set: bytes) -> bytes:
        """Return the bytes of a whole C-STORE request, for `push`."""
        starts = range(0, max(1, len(data_set)), FRAGMENT)
        command = self._command(context, C_STORE, sop_class_uid, sop_instance_uid, WITH_DATA_SET)
        return command + b"".join(
            self._pdv(context, 0x02 if start == starts[-1] else 0x00, data_set[start : start + FRAGMENT])
            for start in starts
        )

    def _associate(self) -> None:
        asked = item(0x10, APPLICATION_CONTEXT.encode())
        for abstract, transfer in self._wanted:
            number = bytes([self._ids[abstract, transfer], 0, 0, 0])
            asked += item(0x20, number + item(0x30, abstract.encode()) + item(0x40, transfer.encode()))
        asked += item(0x50, item(0x51, struct.pack(">L", FRAGMENT * 4)) + item(0x52, b"1.2.826.0.1.3680043.8.498.9"))
        titles = self._called.ljust(16).encode("latin-1") + self._calling.ljust(16).encode("latin-1")
        self._socket.sendall(pdu(0x01, b"\0\1\0\0" + titles + bytes(32) + asked))
        kind, body = self._receive()
        if kind != ACCEPTED:
            raise AssociationLostError(f"PDU type {kind:02X} in answer to an association request")
        by_id = {number: context for context, number in self._ids.items()}
        self.accepted = frozenset(by_id[number] for number, result in _results(body[68:]) if result == 0)

    def _release(self) -> None:
        self._socket.sendall(pdu(RELEASE, bytes(4)))
        kind, _ = self._receive()
        if kind != RELEASED:
            raise AssociationLostError(f"PDU type {kind:02X} in answer to a release")

    def _ask(
        self, context: tuple[str, str], command: int, sop_class: str, sop_instance: str | None, data_set: bytes | None
    ) -> int:
        flag = NO_DATA_SET if data_set is None else WITH_DATA_SET
        try:
            self._send_command(context, command, sop_class, sop_instance, flag)
            if data_set is not None:
                for start in range(0, max(1, len(data_set)), FRAGMENT):
                    is_last = start + FRAGMENT >= len(data_set)
                    self._send_pdv(context, 0x02 if is_last else 0x00, data_set[start : start + FRAGMENT])
        except OSError as error:
            raise AssociationLostError(type(error).__name__) from error
        kind, body = self._receive()
        if kind != DATA:
            raise AssociationLostError(f"PDU type {kind:02X} in answer to a message")
        return status_of(body[6:])

    def _send_command(
        self, context: tuple[str, str], command: int, sop_class: str, sop_instance: str | None, flag: int
    ) -> None:
        self._socket.sendall(self._command(context, command, sop_class, sop_instance, flag))

    def _command(
        self, context: tuple[str, str], command: int, sop_class: str, sop_instance: str | None, flag: int
    ) -> bytes:
        self._message_id += 1
        elements = element(0x0002, even(sop_class.encode("latin-1"))) + element(0x0100, struct.pack("<H", command))
        elements += element(0x0110, struct.pack("<H", self._message_id))
        if command == C_STORE:
            elements += element(0x0700, struct.pack("<H", 0))
        elements += element(0x0800, struct.pack("<H", flag))
        if sop_instance is not None:
            elements += element(0x1000, even(sop_instance.encode("latin-1")))
        return self._pdv(context, 0x03, element(0x0000, struct.pack("<L", len(elements))) + elements)

    def _send_pdv(self, context: tuple[str, str], header: int, fragment: bytes) -> None:
        self._socket.sendall(self._pdv(context, header, fragment))

    def _pdv(self, context: tuple[str, str], header: int, fragment: bytes) -> bytes:
        value = bytes([self._ids[context], header]) + fragment
        return pdu(DATA, struct.pack(">L", len(value)) + value)

    def _receive(self) -> tuple[int, bytes]:
        head = self._read(6)
        return head[0], self._read(int.from_bytes(head[2:], "big"))

    def _read(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            try:
                more = self._socket.recv(count - len(found))
            except OSError as error:
                raise AssociationLostError(type(error).__name__) from error
            if not more:
                raise AssociationLostError("the connection was closed")
            found += more
        return found


def _results(body_items: bytes) -> list[tuple[int, int]]:
    """Return (context id, result) of every presentation context in an A-ASSOCIATE-AC (PS3.8 section 9.3.3.2)."""
    return [(value[0], value[2]) for kind, value in items(body_items) if kind == 0x21]
