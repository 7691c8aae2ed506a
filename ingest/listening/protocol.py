"""
PDUs and DIMSE messages as bytes (PS3.8 section 9.3, PS3.7 section 6.3 and annex E). Pure: no socket, no file.

Only what a storage acceptor hears once an association stands; its negotiation is pynetdicom's.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

PDU_HEADER = struct.Struct(">BxI")
PDV_HEADER = struct.Struct(">IBB")
HEADER_BYTES = PDU_HEADER.size + PDV_HEADER.size
MAX_COMMAND_BYTES = 16_384  # a command set holds a handful of short elements
NO_DATA_SET = 0x0101
_ELEMENT = struct.Struct("<HHI")
_SHORT = struct.Struct("<H")
_LAST, _COMMAND = 0x02, 0x01


class PDUType(IntEnum):
    """PDU types (PS3.8 section 9.3.1)."""

    ASSOCIATE_RQ = 0x01
    ASSOCIATE_AC = 0x02
    ASSOCIATE_RJ = 0x03
    DATA = 0x04
    RELEASE_RQ = 0x05
    RELEASE_RP = 0x06
    ABORT = 0x07


class CommandField(IntEnum):
    """DIMSE requests that are answered here (PS3.7 section E.1)."""

    C_STORE_RQ = 0x0001
    C_ECHO_RQ = 0x0030


class AbortReason(IntEnum):
    """Reasons of a provider's A-ABORT (PS3.8 section 9.3.8)."""

    NOT_SPECIFIED = 0x00
    UNRECOGNISED_PDU = 0x01
    UNEXPECTED_PDU = 0x02
    INVALID_PDU_PARAMETER_VALUE = 0x06


class ProtocolError(Exception):
    """
    The peer broke the protocol: abort the association.

    Parameters
    ----------
    reason
        What the abort says.
    code
        A word from a closed set, for the audit line.
    """

    def __init__(self, reason: AbortReason, code: str) -> None:
        super().__init__(code)
        self.reason = reason
        self.code = code


class Command(NamedTuple):
    """A DIMSE request: what its command set says. UIDs are as they came, checked by nobody yet."""

    field: int
    message_id: int
    sop_class_uid: str
    sop_instance_uid: str
    has_data_set: bool


class Fragment(NamedTuple):
    """The header of one presentation data value (PDV): whose it is, and how many bytes of it follow."""

    context_id: int
    is_command: bool
    is_last: bool
    size_bytes: int


def pdu_header(data: bytes | bytearray | memoryview, offset: int = 0) -> tuple[int, int]:
    """Return type and length of the PDU that begins at an offset; the length does not count these six bytes."""
    kind, length = PDU_HEADER.unpack_from(data, offset)
    return kind, length


def fragment_header(data: bytes | bytearray | memoryview, offset: int, left_bytes: int) -> Fragment:
    """
    Read the header of a PDV (PS3.8 section 9.3.5.1).

    Parameters
    ----------
    data, offset
        Where it begins.
    left_bytes
        What is left of its PDU from there on.

    Raises
    ------
    ProtocolError
        When the PDV does not fit its PDU.
    """
    length, context_id, control = PDV_HEADER.unpack_from(data, offset)
    if length < 2 or length + 4 > left_bytes:
        raise ProtocolError(AbortReason.INVALID_PDU_PARAMETER_VALUE, "bad_pdv_length")
    return Fragment(context_id, bool(control & _COMMAND), bool(control & _LAST), length - 2)


def encode_fragment_header(fragment: Fragment) -> bytes:
    """Return the headers of a P-DATA-TF PDU and its only PDV, for a fragment of a data set that is not the last."""
    size_bytes = fragment.size_bytes
    return PDU_HEADER.pack(PDUType.DATA, size_bytes + 6) + PDV_HEADER.pack(size_bytes + 2, fragment.context_id, 0)


def decode_command(data: bytes) -> Command:
    """
    Read a command set: Implicit VR Little Endian, group 0000 (PS3.7 section 6.3.1).

    Raises
    ------
    ProtocolError
        When it is not one, or lacks what every request has.
    """
    elements: dict[int, bytes] = {}
    read, offset, end = _ELEMENT.unpack_from, 0, len(data)
    try:
        while offset < end:
            group, element, length = read(data, offset)
            value_at, offset = offset + 8, offset + 8 + length
            if group != 0 or offset > end:
                raise ProtocolError(AbortReason.INVALID_PDU_PARAMETER_VALUE, "bad_command_set")
            elements[element] = data[value_at:offset]
        return Command(
            field=_number(elements[0x0100]),
            message_id=_number(elements[0x0110]),
            sop_class_uid=_uid(elements.get(0x0002, b"")),
            sop_instance_uid=_uid(elements.get(0x1000, b"")),
            has_data_set=_number(elements[0x0800]) != NO_DATA_SET,
        )
    except (KeyError, struct.error) as error:
        raise ProtocolError(AbortReason.INVALID_PDU_PARAMETER_VALUE, "bad_command_set") from error


def encode_response(command: Command, context_id: int, status: int) -> bytes:
    """Return the P-DATA-TF PDU that answers a request, to be sent in one write (PS3.7 sections 9.3.1.2, 9.3.5.2)."""
    uid = _padded(command.sop_instance_uid)
    before, after = _around_message_id(command.sop_class_uid, command.field, context_id, status, len(uid))
    return b"".join((before, _SHORT.pack(command.message_id), after, uid))


@lru_cache(maxsize=256)
def _around_message_id(
    sop_class_uid: str, field: int, context_id: int, status: int, uid_bytes: int
) -> tuple[bytes, bytes]:
    """Encode what is alike in the answers of one association: before its message id, and from there to its UID."""
    before = _element(0x0002, _padded(sop_class_uid)) + _element(0x0100, _SHORT.pack(field | 0x8000))
    before += _ELEMENT.pack(0, 0x0120, _SHORT.size)
    after = _element(0x0800, _SHORT.pack(NO_DATA_SET)) + _element(0x0900, _SHORT.pack(status))
    after += _ELEMENT.pack(0, 0x1000, uid_bytes) if uid_bytes else b""
    size_bytes = len(before) + _SHORT.size + len(after) + uid_bytes
    group_length = _element(0x0000, struct.pack("<I", size_bytes))
    size_bytes += len(group_length)
    header = PDU_HEADER.pack(PDUType.DATA, size_bytes + 6)
    header += PDV_HEADER.pack(size_bytes + 2, context_id, _COMMAND | _LAST)
    return header + group_length + before, after


def encode_release_response() -> bytes:
    """Return an A-RELEASE-RP PDU (PS3.8 section 9.3.7)."""
    return PDU_HEADER.pack(PDUType.RELEASE_RP, 4) + bytes(4)


def encode_abort(reason: AbortReason) -> bytes:
    """Return an A-ABORT PDU of the service provider (PS3.8 section 9.3.8)."""
    return PDU_HEADER.pack(PDUType.ABORT, 4) + bytes([0, 0, 2, reason])


def _number(value: bytes) -> int:
    if len(value) != 2:
        raise struct.error("not an unsigned short")
    return value[0] | value[1] << 8


def _uid(value: bytes) -> str:
    return value.decode("latin-1").rstrip("\0 ")


def _padded(uid: str) -> bytes:
    value = uid.encode("latin-1", "replace")
    return value + b"\0" * (len(value) % 2)


def _element(number: int, value: bytes) -> bytes:
    return _ELEMENT.pack(0, number, len(value)) + value
