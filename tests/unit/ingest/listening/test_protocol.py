"""Command sets and PDUs against pynetdicom's own: it is the oracle of every encoding here."""

from __future__ import annotations

import struct
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.dimse_messages import C_ECHO_RQ, C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.pdu import A_ABORT_RQ, A_RELEASE_RP, P_DATA_TF

from ingest.admission import StoreStatus
from ingest.listening.protocol import (
    AbortReason,
    Command,
    CommandField,
    Fragment,
    PDUType,
    ProtocolError,
    decode_command,
    encode_abort,
    encode_release_response,
    encode_response,
    fragment_header,
    pdu_header,
)
from tests.pdus import COMMAND, CT, LAST, VERIFICATION, command_set, element, pdv

INSTANCE = "1.2.826.0.1.3680043.8.498.7"
message_ids = st.integers(0, 0xFFFF)
uids = st.from_regex(r"[0-2](\.(0|[1-9][0-9]{0,9})){1,4}", fullmatch=True)
number = struct.Struct("<H").pack


def encoded_by_pynetdicom(message: DIMSEMessage, primitive: C_STORE | C_ECHO) -> bytes:
    """Return the command set of a request as pynetdicom sends it."""
    message.primitive_to_message(primitive)
    (first, *_) = message.encode_msg(1, 0)
    ((_, value),) = first.presentation_data_value_list
    assert value[0] & COMMAND
    return bytes(value[1:])


def decoded_by_pynetdicom(pdu: bytes) -> C_STORE | C_ECHO:
    """Return what pynetdicom makes of a P-DATA-TF PDU that holds one response."""
    data, message = P_DATA_TF(), DIMSEMessage()
    data.decode(pdu)
    assert message.decode_msg(data.to_primitive()) is True
    primitive: C_STORE | C_ECHO = message.message_to_primitive()
    return primitive


@given(message_ids, uids, uids, st.booleans(), st.sampled_from(["", "SCANNER"]))
def test_a_store_request_of_pynetdicom_reads_as_it_was_meant(
    message_id: int, sop_class: str, sop_instance: str, has_data_set: bool, originator: str
) -> None:
    asked = C_STORE()
    asked.MessageID, asked.Priority = message_id, 2
    asked.AffectedSOPClassUID, asked.AffectedSOPInstanceUID = sop_class, sop_instance
    asked.DataSet = BytesIO(b"\x08\x00") if has_data_set else None
    if originator:
        asked.MoveOriginatorApplicationEntityTitle, asked.MoveOriginatorMessageID = originator, 7
    data = encoded_by_pynetdicom(C_STORE_RQ(), asked)

    assert decode_command(data) == Command(
        CommandField.C_STORE_RQ, message_id, sop_class, sop_instance, has_data_set=has_data_set
    )


@given(message_ids)
def test_an_echo_request_of_pynetdicom_reads_as_it_was_meant(message_id: int) -> None:
    asked = C_ECHO()
    asked.MessageID, asked.AffectedSOPClassUID = message_id, VERIFICATION
    data = encoded_by_pynetdicom(C_ECHO_RQ(), asked)

    assert decode_command(data) == Command(CommandField.C_ECHO_RQ, message_id, VERIFICATION, "", has_data_set=False)


@given(message_ids, st.integers(0, 127).map(lambda n: 2 * n + 1), uids, st.sampled_from(StoreStatus))
def test_a_response_is_understood_by_pynetdicom(
    message_id: int, context_id: int, uid: str, status: StoreStatus
) -> None:
    pdu = encode_response(Command(CommandField.C_STORE_RQ, message_id, CT, uid, has_data_set=True), context_id, status)
    answer = decoded_by_pynetdicom(pdu)

    assert (answer.MessageIDBeingRespondedTo, answer.Status) == (message_id, status)
    assert (answer.AffectedSOPClassUID, answer.AffectedSOPInstanceUID) == (CT, uid)
    assert pdu_header(pdu) == (PDUType.DATA, len(pdu) - 6)
    assert fragment_header(pdu, 6, len(pdu) - 6) == Fragment(context_id, True, True, len(pdu) - 12)


def test_an_echo_is_answered_without_an_instance() -> None:
    pdu = encode_response(Command(CommandField.C_ECHO_RQ, 9, VERIFICATION, "", has_data_set=False), 1, 0)
    answer = decoded_by_pynetdicom(pdu)

    assert isinstance(answer, C_ECHO)
    assert (answer.MessageIDBeingRespondedTo, answer.Status) == (9, 0)


def test_a_release_response_is_pynetdicoms() -> None:
    assert encode_release_response() == A_RELEASE_RP().encode()


@pytest.mark.parametrize("reason", AbortReason)
def test_an_abort_is_pynetdicoms(reason: AbortReason) -> None:
    abort = A_ABORT_RQ()
    abort.source, abort.reason_diagnostic = 2, int(reason)

    assert encode_abort(reason) == abort.encode()


@given(uids, st.sampled_from(["", "\0", " ", "\0\0"]))
def test_padding_is_no_part_of_a_uid(uid: str, padding: str) -> None:
    data = element(0x0002, (uid + padding).encode()) + element(0x0100, number(1)) + element(0x0110, number(1))
    data += element(0x0800, number(0x0101))

    assert decode_command(data).sop_class_uid == uid


WHOLE = command_set(0x0001, CT, INSTANCE, has_data_set=True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        WHOLE[:-1],
        WHOLE + b"\0\0",
        WHOLE + struct.pack("<HHL", 0x0008, 0x0018, 0),
        WHOLE + struct.pack("<HHL", 0x0000, 0x1000, 1),
        WHOLE + struct.pack("<HHL", 0x0000, 0x1000, 0xFFFFFFFF),
        element(0x0100, number(1)) + element(0x0110, number(1)),
        element(0x0100, number(1)) + element(0x0800, number(0)),
        element(0x0110, number(1)) + element(0x0800, number(0)),
        element(0x0100, b"\1") + element(0x0110, number(1)) + element(0x0800, number(0)),
        element(0x0100, number(1)) + element(0x0110, bytes(4)) + element(0x0800, number(0)),
        element(0x0100, number(1)) + element(0x0110, number(1)) + element(0x0800, b""),
    ],
)
def test_what_is_no_command_set_breaks_the_protocol(data: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"^bad_command_set$") as caught:
        decode_command(data)
    assert caught.value.reason == AbortReason.INVALID_PDU_PARAMETER_VALUE


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_set_or_break_the_protocol(data: bytes) -> None:
    with suppress(ProtocolError):
        assert isinstance(decode_command(data), Command)


@pytest.mark.parametrize("left", [0, 5, 6, 7])
def test_a_fragment_that_is_longer_than_its_pdu_breaks_the_protocol(left: int) -> None:
    with pytest.raises(ProtocolError, match=r"^bad_pdv_length$"):
        fragment_header(pdv(1, LAST, b"ab"), 0, left)


@pytest.mark.parametrize("length", [0, 1])
def test_a_fragment_that_has_no_room_for_its_own_header_breaks_the_protocol(length: int) -> None:
    with pytest.raises(ProtocolError, match=r"^bad_pdv_length$"):
        fragment_header(length.to_bytes(4, "big") + b"\1\3", 0, 100)


@pytest.mark.parametrize("control", range(8))
def test_two_bits_of_a_fragment_say_what_it_is(control: int) -> None:
    assert fragment_header(pdv(5, control, b"ab"), 0, 8) == Fragment(5, bool(control & 1), bool(control & 2), 2)
