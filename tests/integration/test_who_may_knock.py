"""Who is let in, how many at once, with what; and the line in the log for everybody who is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE

from ingest.admission import StoreStatus
from ingest.tally import Count
from tests import pdus
from tests.integration.knocking import TIMEOUT_SECONDS, knocking, read_to_end
from tests.integration.listener_log import Line, listener_log
from tests.integration.listening import (
    AE_TITLE,
    CT,
    CT_CONTEXT,
    EXPLICIT_LITTLE,
    STUDY,
    Station,
    encoded,
    listening,
    make_ct,
    make_station,
    own_database,
)
from tests.neighbours.raw_scu import RawSCU
from tests.neighbours.starting import wait_until
from voorrang.clock import ManualClock
from voorrang.settings import SenderRule

pytestmark = pytest.mark.integration

MR_CONTEXT = ("1.2.840.10008.5.1.4.1.1.4", EXPLICIT_LITTLE)
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
ECHO_CONTEXT = (pdus.VERIFICATION, pdus.IMPLICIT_LITTLE)
ABSTRACT_SYNTAX_NOT_SUPPORTED = 0x03
# Result, source and reason of A-ASSOCIATE-RJ (PS3.8 section 9.3.4).
CALLING_AE_TITLE, CALLED_AE_TITLE, LOCAL_LIMIT = (1, 1, 3), (1, 1, 7), (2, 3, 2)


@pytest.fixture
def make(tmp_path: Path, clock: ManualClock) -> Iterator[Callable[..., Station]]:
    with own_database(tmp_path) as database, ExitStack() as held:

        def made(**settings: Any) -> Station:
            return held.enter_context(listening(make_station(database, tmp_path / "data", clock, **settings)))

        yield made


@pytest.fixture
def log() -> Iterator[Callable[[], list[Line]]]:
    with listener_log() as read:
        yield read


def rejection(pdu: bytes) -> tuple[int, int, int]:
    """Return result, source and reason of an A-ASSOCIATE-RJ."""
    assert pdu[0] == pdus.REJECTED
    return pdu[7], pdu[8], pdu[9]


def audit(lines: list[Line]) -> list[Line]:
    """Return the lines without what every line has."""
    return [{key: value for key, value in line.items() if key not in {"timestamp", "service"}} for line in lines]


def refused(reason: str, calling: str, called: str) -> Line:
    """Return the line of a rejected association."""
    who = {"peer": "127.0.0.1", "calling": calling, "called": called}
    return {"event": "association rejected", "level": "warning", "reason": reason, "stored": 0, **who}


def test_a_wrong_called_ae_title_is_rejected_and_told(
    make: Callable[..., Station], log: Callable[[], list[Line]]
) -> None:
    station = make()
    with knocking(station.port, pdus.associate_request(called="SOMEBODY")) as (connection, answer):
        assert rejection(answer) == CALLED_AE_TITLE
        assert read_to_end(connection) == b""
    assert audit(log()) == [refused("called_ae_title", "SCANNER", "SOMEBODY")]
    assert station.receiver.tally.read(Count.ASSOCIATIONS_REJECTED) == 1


def test_an_unknown_calling_ae_title_is_rejected_and_told_where_only_the_known_may_send(
    make: Callable[..., Station], log: Callable[[], list[Line]]
) -> None:
    station = make(known_senders_only=True, senders={"CT1": SenderRule()})
    with knocking(station.port, pdus.associate_request(calling="CT2")) as (connection, answer):
        assert rejection(answer) == CALLING_AE_TITLE
        assert read_to_end(connection) == b""
    assert audit(log()) == [refused("calling_ae_title", "CT2", AE_TITLE)]
    with RawSCU(station.port, [CT_CONTEXT], calling="CT1") as scu:
        assert scu.store(CT_CONTEXT, CT, f"{STUDY}.1.1", encoded(make_ct())) == StoreStatus.SUCCESS


def test_any_calling_ae_title_may_send_otherwise(make: Callable[..., Station]) -> None:
    station = make(senders={"CT1": SenderRule()})
    with RawSCU(station.port, calling="CT2") as scu:
        assert scu.echo() == StoreStatus.SUCCESS


def test_a_sender_stores_only_what_its_rule_names(make: Callable[..., Station]) -> None:
    station = make(senders={"CT1": SenderRule(sop_classes=(CT,))})
    contexts = [CT_CONTEXT, MR_CONTEXT]
    with RawSCU(station.port, contexts, calling="CT1") as scu:
        assert scu.accepted == {ECHO_CONTEXT, CT_CONTEXT}
        assert scu.store(CT_CONTEXT, CT, f"{STUDY}.1.1", encoded(make_ct())) == StoreStatus.SUCCESS
        mr = make_ct(2, SOPClassUID=MR_CONTEXT[0])
        status = scu.store(CT_CONTEXT, MR_CONTEXT[0], mr.SOPInstanceUID, encoded(mr))
        assert status == StoreStatus.SOP_CLASS_NOT_SUPPORTED
        assert scu.echo() == StoreStatus.SUCCESS
    with RawSCU(station.port, contexts, calling="CT2") as scu:
        assert scu.accepted == {ECHO_CONTEXT, *contexts}
    assert len(station.stored()) == 1
    assert [one.reason for one in station.refused()] == ["sop_class_not_agreed"]


@pytest.mark.parametrize("abstract_syntax", [MR_CONTEXT[0], STORAGE_COMMITMENT, "1.2.840.10008.5.1.4.1.2.2.1"])
def test_what_is_not_served_is_refused_as_an_abstract_syntax(
    make: Callable[..., Station], abstract_syntax: str
) -> None:
    station = make(senders={"CT1": SenderRule(sop_classes=(CT,))})
    ae = AE(ae_title="CT1")
    ae.add_requested_context(pdus.VERIFICATION)
    ae.add_requested_context(abstract_syntax)
    association = ae.associate("127.0.0.1", station.port, ae_title=AE_TITLE)
    assert [context.result for context in association.rejected_contexts] == [ABSTRACT_SYNTAX_NOT_SUPPORTED]
    assert [str(context.abstract_syntax) for context in association.accepted_contexts] == [pdus.VERIFICATION]
    association.release()


def test_one_address_gets_half_of_the_associations_and_the_others_the_rest(
    make: Callable[..., Station], log: Callable[[], list[Line]]
) -> None:
    station = make(max_associations=4)
    with ExitStack() as held:
        (one, _), (_, second) = (held.enter_context(knocking(station.port, source="127.0.0.1")) for _ in range(2))
        assert second[0] == pdus.ACCEPTED
        assert rejection(asked(station, "127.0.0.1")) == LOCAL_LIMIT
        others = [held.enter_context(knocking(station.port, source="127.0.0.2"))[1] for _ in range(2)]
        assert [answer[0] for answer in others] == [pdus.ACCEPTED] * 2
        assert rejection(asked(station, "127.0.0.3")) == LOCAL_LIMIT
        one.sendall(pdus.pdu(pdus.RELEASE, bytes(4)))
        assert read_to_end(one)[0] == pdus.RELEASED
        tally = station.receiver.tally
        wait_until(lambda: tally.read(Count.ASSOCIATIONS_OPEN) == 3, TIMEOUT_SECONDS, "the place is not given back")
        assert asked(station, "127.0.0.3")[0] == pdus.ACCEPTED

    def rejected() -> list[str]:
        return [line["reason"] for line in log() if line["event"] == "association rejected"]

    wait_until(lambda: len(rejected()) >= 2, TIMEOUT_SECONDS, "a line is written after the answer, and was not")
    assert rejected() == ["too_many_associations"] * 2


def asked(station: Station, source: str) -> bytes:
    """Return what is answered to a request from an address that hangs up then."""
    with knocking(station.port, source=source) as (_, answer):
        return answer


VIOLATIONS = {
    "unrecognised_pdu": b"GET / HTTP/1.1\r\n\r\n",
    "unexpected_pdu": pdus.associate_request(),
    "bad_pdu_length": b"\4\0\xff\xff\xff\xff",
    "bad_pdv_length": pdus.pdu(pdus.DATA, b"\0\0\1\0\1\3"),
    "bad_command_set": pdus.pdu(pdus.DATA, pdus.pdv(1, 3, "Müller^Jürgen".encode())),
    "command_set_too_long": pdus.pdu(pdus.DATA, pdus.pdv(1, 1, bytes(20_000))),
    "fragment_out_of_turn": pdus.pdu(pdus.DATA, pdus.pdv(pdus.CT_CONTEXT, pdus.LAST, encoded(make_ct()))),
    "context_not_accepted": pdus.pdu(
        pdus.DATA, pdus.pdv(99, 3, pdus.command_set(pdus.C_STORE, CT, f"{STUDY}.1.1", has_data_set=True))
    ),
    "command_not_served": pdus.pdu(pdus.DATA, pdus.pdv(1, 3, pdus.command_set(0x0020, CT))),
}


@pytest.mark.parametrize("code", VIOLATIONS)
def test_whoever_breaks_the_protocol_is_aborted_and_told_by_a_code(
    make: Callable[..., Station], log: Callable[[], list[Line]], code: str
) -> None:
    station = make()
    with knocking(station.port) as (connection, _):
        connection.sendall(VIOLATIONS[code])
        end = read_to_end(connection)
        assert end[:1] in (bytes([pdus.ABORT]), b"")  # a reset may overtake the abort
    opened, ended = audit(log())
    who = {"peer": "127.0.0.1", "calling": "SCANNER", "called": AE_TITLE}
    assert opened == {"event": "association opened", "level": "info", **who}
    assert ended == {"event": "association protocol", "level": "warning", "reason": code, "stored": 0, **who}
    assert station.receiver.tally.read(Count.ASSOCIATIONS_ABORTED) == 1


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (pdus.echo_message(), "data_before_association"),
        (pdus.pdu(pdus.RELEASE, bytes(4)), "unexpected_pdu"),
        (pdus.pdu(pdus.ASSOCIATE, b"Patient^Name"), "bad_association_request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "unrecognised_pdu"),  # TLS where none is spoken
    ],
)
def test_whoever_begins_with_something_else_is_aborted_and_told_by_a_code(
    make: Callable[..., Station], log: Callable[[], list[Line]], first: bytes, code: str
) -> None:
    station = make()
    with knocking(station.port, first) as (connection, _):
        read_to_end(connection)
    (line,) = audit(log())
    who = {"peer": "127.0.0.1", "calling": "", "called": ""}
    assert line == {"event": "association protocol", "level": "warning", "reason": code, "stored": 0, **who}
