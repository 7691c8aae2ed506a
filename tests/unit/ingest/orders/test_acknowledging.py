"""The answer to a message, by a second opinion too."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hl7apy.parser import parse_message

from ingest.orders.acknowledging import Answer, Outcome, acknowledgement
from ingest.orders.reading import Header, read_header, read_message
from ingest.orders.refusing import WORDS, RefusalReason
from tests.hl7_messages import msh

NOW = datetime(2026, 11, 22, 8, 0, 1, 250_000, tzinfo=UTC)
HEADER = read_header(msh("ORM^O01^ORM_O01", "MSG-7").encode())


def answered(answer: Answer) -> str:
    return acknowledgement(answer, NOW, "V1").decode("ascii")


def test_what_is_taken_is_answered_aa_with_the_control_id_and_the_names_turned_round() -> None:
    assert answered(Answer(Outcome.TAKEN, HEADER)) == (
        "MSH|^~\\&|VOORRANG||RIS|HOSP|20261122080001.250+0000||ACK^O01|V1|P|2.5.1\rMSA|AA|MSG-7|\r"
    )


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.TAKEN, "AA"),
        (Outcome.UNCHANGED, "AA"),
        (Outcome.DUPLICATE, "AA"),
        (Outcome.REFUSED, "AE"),
        (Outcome.TRY_AGAIN, "AR"),
        (Outcome.UNKNOWN_SENDER, "AR"),
        (Outcome.QUARANTINE_FULL, "AR"),
    ],
)
def test_what_is_kept_is_never_answered_ar_and_what_is_not_never_aa(outcome: Outcome, code: str) -> None:
    reason = RefusalReason.NO_ACCESSION if outcome is Outcome.REFUSED else None
    text = answered(Answer(outcome, HEADER, reason))

    assert f"MSA|{code}|MSG-7|" in text
    assert ("ERR|" in text) is (code != "AA")


@pytest.mark.parametrize("reason", RefusalReason)
def test_reason_is_answered_in_words_and_as_a_code(reason: RefusalReason) -> None:
    text = answered(Answer(Outcome.REFUSED, HEADER, reason, "OBR-18"))
    read = read_message(text.encode())

    assert read.first("MSA").text(3) == f"{WORDS[reason]} (OBR-18)"
    assert (read.first("ERR").text(3, 2), read.first("ERR").text(4)) == (reason.value, "E")


@pytest.mark.parametrize("outcome", Outcome)
def test_second_opinion_reads_the_same_answer(outcome: Outcome) -> None:
    reason = RefusalReason.UNKNOWN_TYPE if outcome is Outcome.REFUSED else None
    header = read_header(msh("ORM", "MSG-7").encode())
    parsed = parse_message(acknowledgement(Answer(outcome, header, reason), NOW, "V1").decode())

    assert parsed.msa.msa_2.to_er7() == "MSG-7"
    assert parsed.msh.msh_10.to_er7() == "V1"
    assert parsed.msa.msa_1.to_er7() == Answer(outcome, header, reason).code.value


def test_message_without_a_header_is_answered_all_the_same() -> None:
    text = answered(Answer(Outcome.REFUSED, Header(), RefusalReason.NOT_HL7))

    assert text.startswith("MSH|^~\\&|VOORRANG||||")
    assert "MSA|AE||" in text


def test_other_separators_are_those_of_the_message() -> None:
    header = read_header(b"MSH#*!?%#RIS#H#V#H#20261122##ADT*A08#7#P#2.5\r")
    text = answered(Answer(Outcome.REFUSED, header, RefusalReason.MISSING_SEGMENT, "a#b"))

    assert text.split("\r")[1].startswith("MSA#AE#7#")
    assert read_message(text.encode()).first("MSA").text(3).endswith("(a#b)")
