"""Messages out of a stream: the same however it is cut; whatever breaks the protocol is told by its code."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.listening.messages import (
    MAX_CONTROL_PDU_BYTES,
    STAGING_BYTES,
    Control,
    DataSetEnd,
    Message,
    MessageReader,
    Request,
)
from ingest.listening.protocol import (
    MAX_COMMAND_BYTES,
    AbortReason,
    PDUType,
    ProtocolError,
    decode_command,
)
from tests.pdus import (
    ABORT,
    C_ECHO,
    C_STORE,
    COMMAND,
    CT,
    CT_CONTEXT,
    DATA,
    ECHO_CONTEXT,
    LAST,
    RELEASE,
    VERIFICATION,
    associate_request,
    command_set,
    echo_message,
    element,
    mutate,
    pdu,
    pdv,
    store_message,
)

MAX_PDU_BYTES = 20_000
INSTANCE = "1.2.826.0.1.3680043.8.498.7"
STORE = command_set(C_STORE, CT, INSTANCE, has_data_set=True)
STREAMS_PER_SEED = 1_000


@dataclass
class Sink:
    """Keeps a data set; gives little room at a time."""

    most: int = 1 << 20
    data: bytearray = field(default_factory=bytearray)
    space: bytearray = field(default_factory=bytearray)

    def room(self, size_bytes: int) -> memoryview:
        assert size_bytes > 0
        self.space = bytearray(min(size_bytes, self.most))
        return memoryview(self.space)

    def filled(self, size_bytes: int) -> None:
        assert 0 < size_bytes <= len(self.space)
        self.data += self.space[:size_bytes]


Heard = tuple[Message, bytes]


def make_reader(sink: Sink | None) -> MessageReader:
    reader = MessageReader(MAX_PDU_BYTES)
    reader.sink = sink
    return reader


def hear(
    reader: MessageReader, sink: Sink, stream: bytes, cuts: Iterable[int], *, waits: bool = False
) -> Iterator[Heard]:
    """
    Give each message of a stream that comes in pieces, with the data set that came before it.

    `waits`: what must come next comes in one piece, and the headers behind it, as when the listener waits for it.
    """
    rest, sizes = memoryview(stream), chain(cuts, repeat(1 << 20))

    def receive(targets: list[memoryview], most: int = 1 << 30) -> int:
        nonlocal rest
        assert all(targets)
        if not rest:
            raise EOFError  # as the listener ends then
        came = 0
        for target in targets:
            piece = rest[: min(len(target), most - came)]
            target[: len(piece)] = piece
            rest = rest[len(piece) :]
            came += len(piece)
        return came

    while rest:
        if waits and reader.is_direct:
            try:
                came = reader.stream(receive)
            except EOFError:
                return
        else:
            came = receive([reader.target()], max(1, next(sizes)))
        for message in reader.received(came):
            yield message, bytes(sink.data)
            sink.data.clear()


def heard(stream: bytes, cuts: Iterable[int] = (), most: int = 1 << 20, *, waits: bool = False) -> list[Heard]:
    sink = Sink(most)
    return list(hear(make_reader(sink), sink, stream, cuts, waits=waits))


def failure(stream: bytes) -> ProtocolError:
    """Return how a stream breaks the protocol; the same in one piece, byte by byte, and as the listener waits."""
    with pytest.raises(ProtocolError) as at_once:
        heard(stream)
    for cuts, waits in ((repeat(1, len(stream)), False), (repeat(12), True)):
        with pytest.raises(ProtocolError) as otherwise:
            heard(stream, cuts, waits=waits)
        assert (at_once.value.code, at_once.value.reason) == (otherwise.value.code, otherwise.value.reason)
    return at_once.value


def data(*values: bytes) -> bytes:
    return pdu(DATA, b"".join(values))


COMMAND_PDV = pdv(CT_CONTEXT, COMMAND | LAST, STORE)

fragments = st.lists(st.binary(max_size=300), min_size=1, max_size=6)
long_fragments = st.lists(
    st.tuples(st.integers(0, 255), st.sampled_from([0, 1, 5_000, STAGING_BYTES - 6, STAGING_BYTES, 19_000])),
    min_size=1,
    max_size=4,
).map(lambda pieces: [bytes([value]) * size for value, size in pieces])


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[Heard]]:
    """Give a stream and what is to be heard in it."""
    stream = b""
    expected: list[Heard] = []
    for number in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["echo", "store", "control"]))
        if kind == "control":
            one = pdu(draw(st.sampled_from([RELEASE, ABORT])), draw(st.binary(max_size=50)))
            expected.append((Control(one[0], one), b""))
            stream += one
            continue
        field_, uid = (C_ECHO, VERIFICATION) if kind == "echo" else (C_STORE, CT)
        command = command_set(field_, uid, INSTANCE, message_id=number, has_data_set=kind == "store")
        context = draw(st.sampled_from([1, 3, 255]))
        cut = draw(st.integers(0, len(command)))
        values = [pdv(context, COMMAND, command[:cut]), pdv(context, COMMAND | LAST, command[cut:])]
        expected.append((Request(context, decode_command(command)), b""))
        if kind == "store":
            parts = draw(st.one_of(fragments, long_fragments))
            values += [*(pdv(context, 0, part) for part in parts[:-1]), pdv(context, LAST, parts[-1])]
            expected.append((DataSetEnd(context), b"".join(parts)))
        stream += b"".join(draw(packed(values)))
    return stream, expected


@st.composite
def packed(draw: st.DrawFn, values: list[bytes]) -> list[bytes]:
    """Put values into PDUs, several into one where they fit."""
    bodies = [b""]
    for value in values:
        if bodies[-1] and (len(bodies[-1]) + len(value) > MAX_PDU_BYTES or draw(st.booleans())):
            bodies.append(b"")
        bodies[-1] += value
    return [pdu(DATA, body) for body in bodies]


@given(conversations(), st.lists(st.integers(1, 40), max_size=200), st.integers(1, 100))
def test_the_same_is_heard_however_the_stream_is_cut(
    conversation: tuple[bytes, list[Heard]], cuts: list[int], most: int
) -> None:
    stream, expected = conversation
    assert heard(stream) == expected
    assert heard(stream, cuts, most) == expected
    assert heard(stream, cuts, waits=True) == expected


def test_the_same_is_heard_byte_by_byte() -> None:
    stream = store_message(INSTANCE, bytes(range(256)) * 100, [0, 1, 16_000]) + echo_message()
    assert heard(stream, repeat(1, len(stream)), most=1) == heard(stream)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (pdu(DATA, bytes(18))[:6] + pdv(5, LAST, bytes(12))[:6], "fragment_of_another_context"),
        (pdu(DATA, bytes(18))[:6] + pdv(CT_CONTEXT, COMMAND | LAST, bytes(12))[:6], "fragment_out_of_turn"),
        (pdu(DATA, bytes(18))[:6] + pdv(CT_CONTEXT, LAST, bytes(13))[:6], "bad_pdv_length"),
        (pdu(9, bytes(18))[:6] + pdv(CT_CONTEXT, LAST, bytes(12))[:6], "unrecognised_pdu"),
        (
            pdu(DATA, bytes(MAX_PDU_BYTES + 1))[:6] + pdv(CT_CONTEXT, LAST, bytes(MAX_PDU_BYTES - 5))[:6],
            "bad_pdu_length",
        ),
    ],
)
def test_headers_between_two_fragments_are_held_to_the_same_rules(header: bytes, code: str) -> None:
    begun = data(COMMAND_PDV) + data(pdv(CT_CONTEXT, 0, bytes(100)))
    assert failure(begun + header + bytes(12)).code == code


def test_a_data_set_goes_straight_to_its_sink_once_its_fragment_has_begun() -> None:
    sink = Sink()
    reader = make_reader(sink)
    begun = pdu(DATA, pdv(CT_CONTEXT, COMMAND | LAST, STORE)) + pdu(DATA, pdv(CT_CONTEXT, LAST, bytes(19_000)))[:12]
    assert len(list(hear(reader, sink, begun, []))) == 1
    assert reader.is_direct
    assert len(reader.target()) == 19_000


def test_fragments_of_one_size_are_received_in_one_go_and_nothing_is_lost_at_either_end() -> None:
    sizes = [5_000] * 5 + [4_999] + [5_000] * 3 + [0]
    parts = [bytes([number]) * size for number, size in enumerate(sizes)]
    stream = data(COMMAND_PDV) + b"".join(data(pdv(CT_CONTEXT, 0, part)) for part in parts[:-1])
    stream += data(pdv(CT_CONTEXT, LAST, parts[-1])) + echo_message()
    assert heard(stream, repeat(600), waits=True) == heard(stream)
    assert heard(stream)[1] == (DataSetEnd(CT_CONTEXT), b"".join(parts))


@pytest.mark.parametrize(
    ("stream", "is_within"),
    [
        (b"", False),
        (echo_message()[:1], True),
        (echo_message()[:6], True),
        (echo_message()[:20], True),
        (echo_message(), False),
        (pdu(DATA, pdv(CT_CONTEXT, COMMAND | LAST, STORE)), True),
        (store_message(INSTANCE, bytes(10), [3])[:-1], True),
        (store_message(INSTANCE, bytes(10), [3]), False),
        (pdu(RELEASE, bytes(4))[:7], True),
        (pdu(RELEASE, bytes(4)), False),
    ],
)
def test_it_tells_whether_a_message_has_begun_and_not_ended(stream: bytes, is_within: bool) -> None:
    sink = Sink()
    reader = make_reader(sink)
    list(hear(reader, sink, stream, []))
    assert reader.is_within_message == is_within


INVALID, UNEXPECTED = AbortReason.INVALID_PDU_PARAMETER_VALUE, AbortReason.UNEXPECTED_PDU
VIOLATIONS = {
    "a PDU longer than announced": (data(bytes(MAX_PDU_BYTES + 1)), "bad_pdu_length", INVALID),
    "a PDU too short for a fragment": (data(bytes(5)), "bad_pdu_length", INVALID),
    "an empty PDU": (data(), "bad_pdu_length", INVALID),
    "a control PDU that never ends": (
        bytes([1, 0]) + (MAX_CONTROL_PDU_BYTES + 1).to_bytes(4, "big"),
        "bad_pdu_length",
        INVALID,
    ),
    "PDU type 0": (pdu(0, bytes(4)), "unrecognised_pdu", AbortReason.UNRECOGNISED_PDU),
    "PDU type 8": (pdu(8, bytes(4)), "unrecognised_pdu", AbortReason.UNRECOGNISED_PDU),
    "no DICOM": (b"GET / HTTP/1.1\r\n\r\n", "unrecognised_pdu", AbortReason.UNRECOGNISED_PDU),
    "a fragment longer than its PDU": (data(b"\0\0\1\0\1\3" + bytes(20)), "bad_pdv_length", INVALID),
    "a fragment without a header of its own": (data(b"\0\0\0\1\1\3" + bytes(20)), "bad_pdv_length", INVALID),
    "a second fragment that does not fit": (data(COMMAND_PDV, b"\0\0\1\0\3\2"), "bad_pdv_length", INVALID),
    "data before a command": (data(pdv(CT_CONTEXT, LAST, b"ab")), "fragment_out_of_turn", UNEXPECTED),
    "data after a command that has none": (
        echo_message() + data(pdv(ECHO_CONTEXT, LAST, b"ab")),
        "fragment_out_of_turn",
        UNEXPECTED,
    ),
    "a command before the data is complete": (data(COMMAND_PDV, COMMAND_PDV), "fragment_out_of_turn", UNEXPECTED),
    "data of another context": (data(COMMAND_PDV, pdv(5, LAST, b"ab")), "fragment_of_another_context", UNEXPECTED),
    "a command that goes on in another context": (
        data(pdv(CT_CONTEXT, COMMAND, STORE[:8]), pdv(5, COMMAND | LAST, STORE[8:])),
        "fragment_of_another_context",
        UNEXPECTED,
    ),
    "a command that is too long": (
        data(pdv(CT_CONTEXT, COMMAND, bytes(MAX_COMMAND_BYTES + 1))),
        "command_set_too_long",
        INVALID,
    ),
    "a command that is too long in pieces": (
        data(pdv(CT_CONTEXT, COMMAND, bytes(1_000))) * (MAX_COMMAND_BYTES // 1_000 + 1),
        "command_set_too_long",
        INVALID,
    ),
    "a command that is none": (data(pdv(CT_CONTEXT, COMMAND | LAST, b"abc")), "bad_command_set", INVALID),
    "an empty command": (data(pdv(CT_CONTEXT, COMMAND | LAST, b"")), "bad_command_set", INVALID),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_what_breaks_the_protocol_is_told_by_its_code(name: str) -> None:
    stream, code, reason = VIOLATIONS[name]
    error = failure(stream)
    assert (error.code, error.reason) == (code, reason)


def test_what_came_before_a_violation_is_heard() -> None:
    sink = Sink()
    messages = hear(make_reader(sink), sink, echo_message() + pdu(9, b""), [])
    assert isinstance(next(messages)[0], Request)
    with pytest.raises(ProtocolError):
        next(messages)


def test_the_longest_pdu_that_was_announced_is_taken() -> None:
    longest = bytes(MAX_PDU_BYTES - 6)
    assert heard(data(COMMAND_PDV) + data(pdv(CT_CONTEXT, LAST, longest)))[-1] == (DataSetEnd(CT_CONTEXT), longest)


def test_data_without_anybody_to_take_it_breaks_the_protocol() -> None:
    with pytest.raises(ProtocolError, match=r"^data_set_nobody_asked_for$"):
        list(hear(make_reader(None), Sink(), store_message(INSTANCE, b"ab"), []))


# The fuzzer: valid conversations, damaged. What comes out are messages or a ProtocolError, and nothing is piled up.

LONG_COMMAND = command_set(C_STORE, CT, INSTANCE, has_data_set=True) + element(0x0001, bytes(2_000))
CONVERSATIONS = [
    associate_request() + echo_message() + pdu(RELEASE, bytes(4)),
    associate_request() + store_message(INSTANCE, bytes(range(256)) * 4, [100, 0, 300]) + echo_message(2),
    store_message(INSTANCE, b"\x08\x00" * 50, [2]) + store_message(f"{INSTANCE}.1", b"", [], 2),
    data(pdv(CT_CONTEXT, COMMAND, LONG_COMMAND[:50]), pdv(CT_CONTEXT, COMMAND | LAST, LONG_COMMAND[50:]))
    + data(pdv(CT_CONTEXT, 0, b"ab"), pdv(CT_CONTEXT, 0, b""), pdv(CT_CONTEXT, LAST, b"cd"))
    + pdu(ABORT, bytes(4)),
]


@pytest.mark.parametrize("seed", range(10))
def test_ten_thousand_damaged_streams_give_messages_or_break_the_protocol(seed: int) -> None:
    chance, codes = random.Random(seed), set()
    for number in range(STREAMS_PER_SEED):
        stream = mutate(chance.choice(CONVERSATIONS), chance)
        sink = Sink(chance.choice([1, 7, 1_000]))
        reader = make_reader(sink)
        cuts = [chance.choice([1, 2, 6, 12, 100, 5_000]) for _ in range(100)]
        waits = chance.random() < 0.5
        try:
            for message, poured in hear(reader, sink, stream, cuts, waits=waits):
                require_sensible(message, poured, stream, f"stream {number} of seed {seed}")
        except ProtocolError as error:
            codes.add(error.code)
        require_bounded(reader, sink, stream)
    assert codes >= {"bad_pdu_length", "unrecognised_pdu", "bad_pdv_length", "bad_command_set", "fragment_out_of_turn"}


def require_sensible(message: Message, poured: bytes, stream: bytes, which: str) -> None:
    """Check that nothing was made up."""
    assert len(poured) <= len(stream), which
    if isinstance(message, Control):
        assert message.kind in set(PDUType), which
        assert message.pdu in stream, which
    elif isinstance(message, Request):
        assert 0 <= message.command.field <= 0xFFFF, which
        assert len(message.command.sop_instance_uid) <= MAX_COMMAND_BYTES, which


def require_bounded(reader: MessageReader, sink: Sink, stream: bytes) -> None:
    """Check that a reader holds no more than it may, whatever lengths it was told."""
    assert len(reader._staging) == STAGING_BYTES
    assert len(reader._command) <= MAX_COMMAND_BYTES
    assert len(reader._control or b"") <= min(MAX_CONTROL_PDU_BYTES + 6, len(stream))
    assert len(sink.data) <= len(stream)
