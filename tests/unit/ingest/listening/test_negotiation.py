"""What is agreed on, and that no request for an association, however damaged, does more than fail to be one."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pydicom.config
import pytest
from pynetdicom import _config
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ

from ingest.listening.negotiation import (
    MAX_PDU_BYTES,
    NegotiationError,
    Negotiator,
    Rejection,
    hear_everything,
    read_proposal,
    reject,
)
from tests.pdus import CT, CT_CONTEXT, ECHO_CONTEXT, EXPLICIT_LITTLE, IMPLICIT_LITTLE, associate_request, mutate
from tests.pdus import VERIFICATION as ECHO

DAMAGED = 3_000
ACCEPTED, ABSTRACT_SYNTAX_NOT_SUPPORTED = 0, 3


@pytest.fixture(autouse=True)
def _as_the_listener_hears() -> Iterator[None]:
    mode, validator = pydicom.config.settings.reading_validation_mode, _config.VALIDATORS["UI"]
    hear_everything()
    yield
    pydicom.config.settings.reading_validation_mode = mode
    _config.VALIDATORS["UI"] = validator


def results(answer: bytes) -> dict[int, int]:
    """Return the result for each context, as pynetdicom reads it."""
    pdu = A_ASSOCIATE_AC()
    pdu.decode(answer)
    return {one.context_id: one.result for one in pdu.presentation_context}


def test_a_sender_may_store_and_echo() -> None:
    proposal = read_proposal(associate_request(called="VOORRANG", calling="SCANNER 7"))
    agreed = Negotiator().accept(proposal, lambda _: True)

    assert (proposal.called_ae_title, proposal.calling_ae_title) == ("VOORRANG", "SCANNER 7")
    assert agreed.contexts == {ECHO_CONTEXT: (ECHO, IMPLICIT_LITTLE), CT_CONTEXT: (CT, EXPLICIT_LITTLE)}
    assert results(agreed.answer) == {ECHO_CONTEXT: ACCEPTED, CT_CONTEXT: ACCEPTED}


def test_a_class_that_a_sender_may_not_store_is_no_supported_abstract_syntax_and_the_echo_stays() -> None:
    agreed = Negotiator().accept(read_proposal(associate_request()), lambda _: False)

    assert agreed.contexts == {ECHO_CONTEXT: (ECHO, IMPLICIT_LITTLE)}
    assert results(agreed.answer) == {ECHO_CONTEXT: ACCEPTED, CT_CONTEXT: ABSTRACT_SYNTAX_NOT_SUPPORTED}


def test_the_answer_names_the_largest_pdu_that_is_taken() -> None:
    pdu = A_ASSOCIATE_AC()
    pdu.decode(Negotiator().accept(read_proposal(associate_request()), lambda _: True).answer)

    assert pdu.user_information.maximum_length == MAX_PDU_BYTES


@pytest.mark.parametrize(
    ("why", "said"),
    [
        (Rejection.CALLED_AE_TITLE, ("Rejected (Permanent)", "DUL service-user", "Called AE title not recognised")),
        (Rejection.CALLING_AE_TITLE, ("Rejected (Permanent)", "DUL service-user", "Calling AE title not recognised")),
        (
            Rejection.TOO_MANY_ASSOCIATIONS,
            ("Rejected (Transient)", "DUL service-provider (presentation related)", "Local limit exceeded"),
        ),
    ],
)
def test_a_rejection_says_why_in_the_words_of_the_standard(why: Rejection, said: tuple[str, str, str]) -> None:
    pdu = A_ASSOCIATE_RJ()
    pdu.decode(reject(why))

    assert (pdu.result_str, pdu.source_str, pdu.reason_str) == said


def test_a_damaged_request_is_agreed_on_or_is_none() -> None:
    chance, negotiator, kinds = random.Random(7), Negotiator(), set()
    for _ in range(DAMAGED):
        damaged = mutate(associate_request(), chance)
        try:
            agreed = negotiator.accept(read_proposal(damaged), lambda _: True)
        except NegotiationError:
            kinds.add("none")
            continue
        kinds.add("agreed")
        assert set(agreed.contexts.values()) <= {(ECHO, IMPLICIT_LITTLE), (CT, EXPLICIT_LITTLE), (CT, IMPLICIT_LITTLE)}
        assert agreed.answer[0] == 2
    assert kinds == {"none", "agreed"}
