"""The orders and the report of the demo, as a RIS sends them: HL7 v2 over MLLP, each acknowledged."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from voorrang.demo.sending import SendError
from voorrang.demo.studies import DemoStudy
from voorrang.events.records import Tier

START_BLOCK, END_BLOCK = b"\x0b", b"\x1c\r"  # MLLP
ANSWER_SECONDS = 20.0
_WORDS: dict[Tier, str] = {"stat": "S", "urgent": "A", "routine": "R"}  # HL7 table 0027


@dataclass(frozen=True, slots=True)
class DemoOrder:
    """An order of one study; `patient` is PID-3 to PID-8."""

    study_instance_uid: str
    accession: str
    urgency: Tier
    patient: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What was answered to a message: `AA` when it is taken (MSA-1)."""

    order: DemoOrder
    code: str


def orders_of(studies: Sequence[DemoStudy]) -> list[DemoOrder]:
    """Return the orders of the studies that somebody ordered."""
    return [_order(study, study.urgency) for study in studies if study.urgency is not None]


def _order(study: DemoStudy, urgency: Tier) -> DemoOrder:
    first = study.instances[0]
    issuer = str(first.IssuerOfPatientID)
    who = [f"{first.PatientID}^^^{issuer}^PI", "", str(first.PatientName), "", first.PatientBirthDate, first.PatientSex]
    accession = f"{first.AccessionNumber}^{first.IssuerOfAccessionNumberSequence[0].LocalNamespaceEntityID}"
    return DemoOrder(str(first.StudyInstanceUID), accession, urgency, "|".join(map(str, who)))


def place_orders(orders: Sequence[DemoOrder], port: int) -> list[Acknowledged]:
    """
    Send ORM^O01 for each order, the accession number with its issuer in OBR-3.

    Raises
    ------
    SendError
        When nobody answers.
    """
    messages = [_order_message(order) for order in orders]
    return [Acknowledged(order, code) for order, code in zip(orders, _converse(messages, port), strict=True)]


def report_finally(order: DemoOrder, port: int) -> Acknowledged:
    """
    Send ORU^R01 with a signed report of an order.

    Raises
    ------
    SendError
        When nobody answers.
    """
    (code,) = _converse([_report_message(order)], port)
    return Acknowledged(order, code)


def _order_message(order: DemoOrder) -> str:
    obr = ["OBR", "1", "", order.accession, "DEMO^Demo^LOCAL", *[""] * 22, f"^^^^^{_WORDS[order.urgency]}"]
    return _message("ORM^O01", order, ["ORC", "NW", "", order.accession], obr)


def _report_message(order: DemoOrder) -> str:
    obr = ["OBR", "1", "", order.accession, "DEMO^Demo^LOCAL", *[""] * 20, "F"]
    obx = ["OBX", "1", "TX", "GDT^Report", "", "Signed for the demo.", *[""] * 5, "F"]
    return _message("ORU^R01", order, obr, obx)


def _message(kind: str, order: DemoOrder, *segments: Sequence[str]) -> str:
    now = f"{datetime.now(UTC):%Y%m%d%H%M%S}+0000"
    control_id = f"{kind[:3]}-{order.accession.partition('^')[0]}"
    msh = ["MSH", "^~\\&", "DEMO-RIS", "", "", "", now, "", kind, control_id, "P", "2.5.1", *[""] * 5, "UNICODE UTF-8"]
    pid = ["PID", "1", "", order.patient]
    return "".join("|".join(one) + "\r" for one in (msh, pid, *segments))


def _converse(messages: Sequence[str], port: int) -> list[str]:
    """Send messages on one connection, each after the answer to the one before; return MSA-1 of each answer."""
    if not messages:
        return []
    try:
        with socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as connection:
            return [_ask(connection, message) for message in messages]
    except OSError as error:
        raise SendError(f"orders: port {port}: {error}") from error


def _ask(connection: socket.socket, message: str) -> str:
    connection.sendall(START_BLOCK + message.encode() + END_BLOCK)
    answer = b""
    while not answer.endswith(END_BLOCK):
        more = connection.recv(4096)
        if not more:
            raise SendError("orders: the connection was closed before the answer")
        answer += more
    fields = next(
        (s.split("|") for s in answer.decode("ascii", "replace").split("\r") if s.startswith("MSA|")), ["", ""]
    )
    return fields[1]
