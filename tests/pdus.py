"""PDUs by hand (PS3.8 section 9.3, PS3.7 section 6.3), whole and damaged."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
ASSOCIATE, ACCEPTED, REJECTED, DATA, RELEASE, RELEASED, ABORT = range(1, 8)
C_STORE, C_ECHO = 0x0001, 0x0030
NO_DATA_SET, WITH_DATA_SET = 0x0101, 0x0000
COMMAND, LAST = 0x01, 0x02
ECHO_CONTEXT, CT_CONTEXT = 1, 3
_EDGES = (0, 1, 2, 5, 6, 0x7F, 0x80, 0xFF, 0xFFFF, 0x10000, 0x40000, 0x40001, 0x7FFFFFFF, 0xFFFFFFFF)


def pdu(kind: int, body: bytes) -> bytes:
    """Return a PDU."""
    return bytes([kind, 0]) + struct.pack(">L", len(body)) + body


def pdv(context: int, control: int, fragment: bytes) -> bytes:
    """Return a presentation data value."""
    return struct.pack(">L", len(fragment) + 2) + bytes([context, control]) + fragment


def element(number: int, value: bytes) -> bytes:
    """Return an element of a command set."""
    return struct.pack("<HHL", 0, number, len(value)) + value


def command_set(
    field: int, sop_class_uid: str, sop_instance_uid: str = "", *, message_id: int = 1, has_data_set: bool = False
) -> bytes:
    """Return the command set of a request."""
    body = element(0x0002, _even(sop_class_uid)) + element(0x0100, struct.pack("<H", field))
    body += element(0x0110, struct.pack("<H", message_id))
    body += element(0x0700, bytes(2)) if field == C_STORE else b""
    body += element(0x0800, struct.pack("<H", WITH_DATA_SET if has_data_set else NO_DATA_SET))
    body += element(0x1000, _even(sop_instance_uid)) if sop_instance_uid else b""
    return element(0x0000, struct.pack("<L", len(body))) + body


def echo_message(message_id: int = 1) -> bytes:
    """Return a C-ECHO request as one PDU."""
    return pdu(DATA, pdv(ECHO_CONTEXT, COMMAND | LAST, command_set(C_ECHO, VERIFICATION, message_id=message_id)))


def store_message(sop_instance_uid: str, data_set: bytes, sizes: Sequence[int] = (), message_id: int = 1) -> bytes:
    """Return a C-STORE request: the command in one PDU, then the data set in fragments of these sizes and the rest."""
    command = command_set(C_STORE, CT, sop_instance_uid, message_id=message_id, has_data_set=True)
    pieces = [pdu(DATA, pdv(CT_CONTEXT, COMMAND | LAST, command))]
    for size in sizes:
        pieces.append(pdu(DATA, pdv(CT_CONTEXT, 0, data_set[:size])))
        data_set = data_set[size:]
    return b"".join([*pieces, pdu(DATA, pdv(CT_CONTEXT, LAST, data_set))])


def item(kind: int, body: bytes) -> bytes:
    """Return an item of an association request."""
    return bytes([kind, 0]) + struct.pack(">H", len(body)) + body


def associate_request(called: str = "VOORRANG", calling: str = "SCANNER", stored: str = CT) -> bytes:
    """Return an A-ASSOCIATE-RQ for Verification and one storage class."""
    items = item(0x10, b"1.2.840.10008.3.1.1.1")
    for context, abstract, transfer in (
        (ECHO_CONTEXT, VERIFICATION, IMPLICIT_LITTLE),
        (CT_CONTEXT, stored, EXPLICIT_LITTLE),
    ):
        syntaxes = item(0x30, abstract.encode()) + item(0x40, transfer.encode())
        items += item(0x20, bytes([context, 0, 0, 0]) + syntaxes)
    items += item(0x50, item(0x51, struct.pack(">L", 16_384)) + item(0x52, b"1.2.826.0.1.3680043.8.498.9"))
    titles = called.ljust(16).encode("latin-1") + calling.ljust(16).encode("latin-1")
    return pdu(ASSOCIATE, b"\0\1\0\0" + titles + bytes(32) + items)


def mutate(stream: bytes, chance: random.Random) -> bytes:
    """Damage a stream in one to four places: bits, lengths, what is missing, twice or invented."""
    damaged = bytearray(stream)
    for _ in range(chance.randint(1, 4)):
        chance.choice((_flip, _set_length, _cut_out, _repeat, _insert, _truncate))(damaged, chance)
    return bytes(damaged)


def _flip(data: bytearray, chance: random.Random) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _set_length(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    data[at : at + 4] = chance.choice(_EDGES).to_bytes(4, chance.choice(("big", "little")))


def _cut_out(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    del data[at : at + chance.randint(1, 40)]


def _repeat(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = data[at : at + chance.randint(1, 200)]


def _insert(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = chance.randbytes(chance.randint(1, 40))


def _truncate(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _even(uid: str) -> bytes:
    value = uid.encode("latin-1")
    return value + b"\0" * (len(value) % 2)
