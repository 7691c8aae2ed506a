"""
One association of a sender that costs next to nothing, so that 24 of them leave the machine to the receiver.

PDUs by hand (PS3.8 section 9.3); one presentation context, CT Image Storage in Explicit VR Little Endian; instances are
encoded once, and only their UIDs change.
"""

from __future__ import annotations

import socket
import struct
from types import TracebackType
from typing import Self

from voorrang.bench.names import AE_TITLE

APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
CT_IMAGE_STORAGE = b"1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LITTLE = b"1.2.840.10008.1.2.1"
IMPLEMENTATION_UID = b"2.25.159648531409662966058311811293934391382"
CONTEXT_ID = 1
ASSOCIATE, ACCEPTED, DATA, RELEASE, RELEASED = 0x01, 0x02, 0x04, 0x05, 0x06
PDV_HEAD_BYTES = 6  # length, context id, message control header (PS3.8 section 9.3.5)
PDU_HEAD_BYTES = 6
MAX_PDU_BYTES = 131_072
TIMEOUT_SECONDS = 60.0
_LAST_COMMAND, _MORE_DATA, _LAST_DATA = 0x03, 0x00, 0x02
_MAX_LENGTH_ITEM, _USER_ITEM, _CONTEXT_ITEM = 0x51, 0x50, 0x21


class AssociationRefusedError(Exception):
    """The receiver took no connection or rejected the association."""


class AssociationLostError(Exception):
    """The receiver ended the association."""


class RawAssociation:
    """
    An association, as a context: established at the start, released at the end.

    Parameters
    ----------
    port
        On loopback.
    calling
        AE title.
    """

    def __init__(self, port: int, calling: str) -> None:
        self._port = port
        self._calling = calling
        self.max_pdu_bytes = MAX_PDU_BYTES
        self._messages = 0

    def __enter__(self) -> Self:
        try:
            self._socket = socket.create_connection(("127.0.0.1", self._port), TIMEOUT_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(_associate_request(self._calling))
            kind, body = self._receive()
        except (OSError, AssociationLostError) as error:
            raise AssociationRefusedError(type(error).__name__) from error
        if kind != ACCEPTED or not _is_context_accepted(body):
            self._socket.close()
            raise AssociationRefusedError(f"PDU type {kind:02X}")
        self.max_pdu_bytes = min(MAX_PDU_BYTES, _max_length(body) or MAX_PDU_BYTES)
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        try:
            if kind is None:
                self._socket.sendall(pdu(RELEASE, bytes(4)))
                self._receive()
        except (OSError, AssociationLostError):
            pass  # every instance was answered: how it ends changes nothing
        finally:
            self._socket.close()

    def store(self, sop_instance_uid: bytes, data_pdus: bytes | bytearray) -> int:
        """
        Send one instance, its data set encoded as PDUs already; return the status.

        Raises
        ------
        AssociationLostError
            When the receiver ends the association instead of answering.
        """
        self._messages = self._messages % 0xFFFF + 1
        try:
            self._socket.sendall(_store_request(self._messages, sop_instance_uid))
            self._socket.sendall(data_pdus)
            return self._status()
        except OSError as error:
            raise AssociationLostError(type(error).__name__) from error

    def _status(self) -> int:
        command = b""
        while True:
            kind, body = self._receive()
            if kind != DATA:
                raise AssociationLostError(f"PDU type {kind:02X} in answer to a C-STORE")
            command += body[PDV_HEAD_BYTES:]
            if body[PDV_HEAD_BYTES - 1] & _LAST_DATA:
                return status_of(command)

    def _receive(self) -> tuple[int, bytes]:
        head = self._read(PDU_HEAD_BYTES)
        return head[0], self._read(int.from_bytes(head[2:], "big"))

    def _read(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            more = self._socket.recv(count - len(found))
            if not more:
                raise AssociationLostError("the connection was closed")
            found += more
        return found


def data_pdus(data_set: bytes, max_pdu_bytes: int) -> bytearray:
    """Encode a data set as P-DATA-TF PDUs of one fragment each."""
    most = max_pdu_bytes - PDV_HEAD_BYTES
    found = bytearray()
    for start in range(0, len(data_set), most):
        fragment = data_set[start : start + most]
        control = _LAST_DATA if start + most >= len(data_set) else _MORE_DATA
        found += _data_pdu(control, fragment)
    return found


def first_fragment_at(offset: int) -> int:
    """Return where a byte of the first fragment of a data set lies in its PDUs."""
    return PDU_HEAD_BYTES + PDV_HEAD_BYTES + offset


def _associate_request(calling: str) -> bytes:
    syntaxes = item(0x30, CT_IMAGE_STORAGE) + item(0x40, EXPLICIT_LITTLE)
    user = item(_MAX_LENGTH_ITEM, struct.pack(">L", MAX_PDU_BYTES)) + item(0x52, IMPLEMENTATION_UID)
    items = item(0x10, APPLICATION_CONTEXT)
    items += item(0x20, bytes([CONTEXT_ID, 0, 0, 0]) + syntaxes) + item(_USER_ITEM, user)
    titles = AE_TITLE.ljust(16).encode() + calling.ljust(16).encode()
    return pdu(ASSOCIATE, b"\0\1\0\0" + titles + bytes(32) + items)


def _store_request(message_id: int, sop_instance_uid: bytes) -> bytes:
    elements = element(0x0002, even(CT_IMAGE_STORAGE)) + element(0x0100, struct.pack("<H", 0x0001))
    elements += element(0x0110, struct.pack("<H", message_id)) + element(0x0700, struct.pack("<H", 0))
    elements += element(0x0800, struct.pack("<H", 0)) + element(0x1000, even(sop_instance_uid))
    return bytes(_data_pdu(_LAST_COMMAND, element(0x0000, struct.pack("<L", len(elements))) + elements))


def _data_pdu(control: int, fragment: bytes) -> bytes:
    value = bytes([CONTEXT_ID, control]) + fragment
    return pdu(DATA, struct.pack(">L", len(value)) + value)


def pdu(kind: int, body: bytes) -> bytes:
    """Return a PDU (PS3.8 section 9.3.1)."""
    return bytes([kind, 0]) + struct.pack(">L", len(body)) + body


def item(kind: int, body: bytes) -> bytes:
    """Return an item of an association request (PS3.8 section 9.3.2)."""
    return bytes([kind, 0]) + struct.pack(">H", len(body)) + body


def element(number: int, value: bytes) -> bytes:
    """Return an element of group 0000, Implicit VR Little Endian (PS3.7 section 6.3.1)."""
    return struct.pack("<HHL", 0x0000, number, len(value)) + value


def even(value: bytes) -> bytes:
    """Pad a UID to an even length."""
    return value + b"\0" * (len(value) % 2)


def items(body: bytes) -> list[tuple[int, bytes]]:
    """Return kind and value of each item."""
    found, at = [], 0
    while at + 4 <= len(body):
        length = int.from_bytes(body[at + 2 : at + 4], "big")
        found.append((body[at], body[at + 4 : at + 4 + length]))
        at += 4 + length
    return found


def _is_context_accepted(body: bytes) -> bool:
    return any(kind == _CONTEXT_ITEM and value[2] == 0 for kind, value in items(body[68:]))


def _max_length(body: bytes) -> int:
    user = next((value for kind, value in items(body[68:]) if kind == _USER_ITEM), b"")
    return next((int.from_bytes(value, "big") for kind, value in items(user) if kind == _MAX_LENGTH_ITEM), 0)


def status_of(command_set: bytes) -> int:
    """
    Return the status in the command set of a response.

    Raises
    ------
    AssociationLostError
        When there is none.
    """
    at = 0
    while at + 8 <= len(command_set):
        _, number, length = struct.unpack("<HHL", command_set[at : at + 8])
        if number == 0x0900:
            return int.from_bytes(command_set[at + 8 : at + 8 + length], "little")
        at += 8 + length
    raise AssociationLostError("an answer without a status")
