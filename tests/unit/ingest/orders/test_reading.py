"""Messages as segments of plain text: separators, escapes, character sets, and whatever bytes may come."""

from __future__ import annotations

import pytest
from hl7apy.parser import parse_message
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.orders.reading import Message, body_of, read_header, read_message, unescape
from ingest.orders.refusing import RefusalReason, RefusedMessageError
from tests.hl7_messages import adt_change, adt_merge, message, msh, omi, orm, oru, pid

SEPARATORS = "|^~\\&"
NAMES = ["Müller^François-Noël", "Özgür^Zoë", "d'Août^Hélène", "Vanden Bemden^Cécile", "Jansen^René"]


def refused(raw: bytes, default: str = "") -> RefusalReason:
    with pytest.raises(RefusedMessageError) as caught:
        read_message(raw, default)
    return caught.value.reason


def outcome_of(raw: bytes) -> Message | RefusalReason:
    try:
        return read_message(raw)
    except RefusedMessageError as error:
        return error.reason


def named(read: Message) -> str:
    segment = read.first("PID")
    return f"{segment.text(5)}^{segment.text(5, 2)}"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("said", "encoding"),
    [
        ("8859/1", "latin-1"),
        ("UNICODE UTF-8", "utf-8"),
        ("8859/15", "iso8859-15"),
        ("UNICODE UTF-8", "utf-8-sig"),
        ("ISO 8859-1", "latin-1"),
        ("UTF-8", "utf-8"),
        ("", "latin-1"),
        ("", "utf-8"),
        ("ASCII", "utf-8"),
    ],
)
def test_dutch_and_french_names_are_read_in_the_set_that_is_named_or_used(name: str, said: str, encoding: str) -> None:
    raw = message(msh("ADT^A08", charset=said), pid(name=name)).encode(encoding)

    assert named(read_message(raw)) == name


def test_set_of_the_sender_is_for_messages_that_name_none() -> None:
    euro = message(msh("ADT^A08"), pid(name="€uropa^Eén")).encode("iso8859-15")
    named_latin = message(msh("ADT^A08", charset="8859/1"), pid(name="Eén^Jan")).encode("latin-1")

    assert named(read_message(euro, "8859/15")) == "€uropa^Eén"
    assert named(read_message(named_latin, "UNICODE UTF-8")) == "Eén^Jan"


def test_bytes_that_are_not_of_their_set_are_refused_and_nothing_is_guessed() -> None:
    raw = message(msh("ADT^A08", charset="UNICODE UTF-8"), pid(name="René^Jan")).encode("latin-1")

    assert refused(raw) is RefusalReason.WRONG_CHARACTERS


@pytest.mark.parametrize("said", ["UNICODE UTF-16", "ISO IR87", "KS X 1001"])
def test_set_that_is_not_read_here_is_refused(said: str) -> None:
    assert refused(message(msh("ADT^A08", charset=said), pid()).encode()) is RefusalReason.UNKNOWN_CHARACTER_SET


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_segments_may_end_with_a_line_feed_too(end: str) -> None:
    read = read_message(orm().replace("\r", end).encode())

    assert [segment.name for segment in read.segments] == ["MSH", "PID", "ORC", "OBR"]
    assert read.first("OBR").text(18) == "A-1"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (r"a\F\b\S\c\R\d\E\e\T\f", "a|b^c~d\\e&f"),
        (r"caf\XE9\ \X4142\.", "café AB."),
        (r"one\.br\two\.sp3\three", "one\ntwo\nthree"),
        (r"\H\bold\N\ \Zx\ \.sk99999999\end", "bold  end"),
        (r"half \ open", r"half \ open"),
        ("plain", "plain"),
    ],
)
def test_escapes_are_what_they_stand_for(text: str, meaning: str) -> None:
    assert unescape(text, SEPARATORS) == meaning


def test_other_separators_are_those_of_the_message() -> None:
    raw = b"MSH#*!?%#RIS#H#V#H#20261122##ADT*A08#7#P#2.5\rPID###T?F?1***HOSP%1.2*PI!T-2#*#Ja?S?n*Piet\r"
    read = read_message(raw)

    assert (read.header.control_id, read.header.trigger) == ("7", "A08")
    assert read.first("PID").text(3) == "T#1"
    assert (read.first("PID").text(3, 4), read.first("PID").text(3, 4, 2)) == ("HOSP", "1.2")
    assert read.first("PID").text(5) == "Ja*n"
    assert len(read.first("PID").repetitions(3)) == 2


def test_deleted_value_reads_as_empty() -> None:
    assert read_message(message(msh("ADT^A08"), 'PID|||""^^^HOSP||""').encode()).first("PID").text(5) == ""


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello",
        b"MSH",
        b"MSH|",
        b"MSH|^~\\&",
        b"MSH||||||",
        b"MSHA^~\\&A",
        b"PID|||T-1\r",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00" * 64,
        b"BHS|^~\\&|\rMSH|^~\\&|RIS\r",
    ],
)
def test_what_is_no_message_is_refused_as_such_or_has_nothing_in_it(raw: bytes) -> None:
    outcome = outcome_of(raw)

    assert outcome is RefusalReason.NOT_HL7 or (isinstance(outcome, Message) and outcome.header.control_id == "")


def test_two_messages_in_one_block_are_refused() -> None:
    assert refused((orm("1") + orm("2")).encode()) is RefusalReason.NOT_HL7


@given(raw=st.binary(max_size=200) | st.text(st.sampled_from("MSHPIDORC|^~\\&\r\n01é"), max_size=200).map(str.encode))
@example(raw=b"MSH")  # behind a message: a segment that the library reads and cannot write
@example(raw=b"MSH|^~\\&\r\r\r|||\\\\X\\")
@example(raw=b"MSH|^~\\&|\\X\\|\\XZZ\\|\\.sp-9\\\rPID|\\")
def test_whatever_comes_is_read_or_refused(raw: bytes) -> None:
    for whole in (raw, b"MSH|^~\\&|RIS|" + raw, orm().encode() + raw):
        assert outcome_of(whole) is not None


@given(cut=st.integers(0, len(orm().encode())))
def test_message_that_is_cut_off_anywhere_is_read_or_refused(cut: int) -> None:
    outcome = outcome_of(orm().encode()[:cut])

    if isinstance(outcome, Message):
        assert outcome.segments[0].name == "MSH"
    else:
        assert outcome in {RefusalReason.NOT_HL7, RefusalReason.UNKNOWN_CHARACTER_SET}


def test_header_is_read_also_when_the_rest_cannot_be() -> None:
    header = read_header(message(msh("ORM^O01", "77"), "PID|").encode() + b"\xff\xfe")

    assert (header.application, header.control_id, header.message_type, header.trigger) == ("RIS", "77", "ORM", "O01")


def test_what_a_retry_is_known_by_leaves_its_header_out() -> None:
    first, retry = (orm("9", stated=stated).encode() for stated in ("20261122075500", "20261122075501"))

    assert body_of(first) == body_of(retry) != body_of(orm("9", urgency="R").encode())
    assert body_of(b"no header") == b"no header"


@pytest.mark.parametrize("text", [orm(), omi(), oru(), adt_merge(), adt_change()])
def test_second_opinion_reads_the_same_values(text: str) -> None:
    ours = read_message(text.encode())
    theirs = parse_message(text, find_groups=False)

    assert [segment.name for segment in ours.segments] == [segment.name for segment in theirs.children]
    for mine, other in zip(ours.segments, theirs.children, strict=True):
        for field in other.children:
            number = int(field.name.split("_")[1]) if field.name else 0
            if mine.name == "MSH" and number <= 2:
                continue
            values = "&".join(part for component in mine.repetitions(number)[0] for part in component if part)
            expected = field.to_er7().split("~")[0].replace("^", "&")
            assert values == "&".join(part for part in expected.split("&") if part)
