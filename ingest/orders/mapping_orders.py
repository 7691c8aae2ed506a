"""ORM^O01, OMG^O19 and OMI^O23 to orders. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from ingest.orders.asking import accession_of, highest, studies_of, urgency_of
from ingest.orders.facts import Action, OrderFact, Rank
from ingest.orders.reading import Message, Segment, part
from ingest.orders.refusing import RefusalReason, RefusedMessageError
from ingest.orders.rules import Agreement
from ingest.orders.values import code_of, person_of, time_of

# HL7 table 0119.
_ACTIONS: Mapping[str, Action] = {
    "NW": "placed",
    "RO": "placed",
    "XO": "changed",
    "XX": "changed",
    "XR": "changed",
    "SC": "changed",
    "SN": "changed",
    "NA": "changed",
    "RU": "changed",
    "CA": "cancelled",
    "OC": "cancelled",
    "CR": "cancelled",
    "DC": "cancelled",
    "OD": "cancelled",
    "DR": "cancelled",
}
_CANCELLED_STATUSES = {"CA", "DC"}  # HL7 table 0038, of a status change (SC)


def orders_of(message: Message, agreement: Agreement) -> Sequence[OrderFact]:
    """
    Return the orders of a message, one for each accession number.

    Raises
    ------
    RefusedMessageError
        When any of them lacks what an order needs, or says what is not known here.
    """
    pid = message.first("PID")
    message.first("ORC")
    orders: dict[tuple[str, str], OrderFact] = {}
    for group in _groups(message.segments):
        order = _order(message, pid, group, agreement)
        key = (order.issuer, order.accession_number)
        orders[key] = combined(orders[key], order) if key in orders else order
    return list(orders.values())


def combined(one: OrderFact, other: OrderFact) -> OrderFact:
    """
    Return the order of two requested procedures that have one accession number.

    The higher urgency counts, and it is cancelled only when both are.
    """
    rank = min(Rank[one.action.upper()], Rank[other.action.upper()])
    questions = dict.fromkeys(filter(None, (one.clinical_question, other.clinical_question)))
    return one.model_copy(
        update={
            "action": rank.name.lower(),
            "urgency": highest([one.urgency, other.urgency]),
            "reading_group": one.reading_group or other.reading_group,
            "procedure_code": one.procedure_code or other.procedure_code,
            "procedure_text": one.procedure_text or other.procedure_text,
            "reason_codes": tuple(dict.fromkeys(one.reason_codes + other.reason_codes)),
            "clinical_question": "\n".join(questions)[:20_000],
            "study_instance_uids": tuple(dict.fromkeys(one.study_instance_uids + other.study_instance_uids)),
            "ordered_at": one.ordered_at or other.ordered_at,
        }
    )


def _groups(segments: Sequence[Segment]) -> list[list[Segment]]:
    """Return the segments of each order; a study that is named once for the whole message (ZDS) is named for all."""
    groups: list[list[Segment]] = []
    for segment in segments:
        if segment.name == "ORC":
            groups.append([])
        if groups:
            groups[-1].append(segment)
    for_all = [segment for segment in segments if segment.name == "ZDS"]
    if len(for_all) == 1:
        groups = [[*(s for s in group if s.name != "ZDS"), *for_all] for group in groups]
    return groups


def _order(message: Message, pid: Segment, group: Sequence[Segment], agreement: Agreement) -> OrderFact:
    orc = group[0]
    obr = next((segment for segment in group if segment.name == "OBR"), Segment("OBR", ()))
    accession, issuer = accession_of(group, agreement.accession_from)
    if not accession:
        raise RefusedMessageError(RefusalReason.NO_ACCESSION)
    stated = message.stated_time or orc.text(9)
    values = {
        "action": _action(orc),
        "accession_number": accession,
        "issuer": issuer,
        "study_instance_uids": studies_of(group),
        "patient": person_of(pid, agreement.default_issuer),
        "stated_at": time_of(stated, agreement.zone),
        "urgency": urgency_of(group, agreement.urgencies),
        "reading_group": code_of(obr.text(24)),
        "procedure_code": code_of(obr.text(4)),
        "procedure_text": obr.text(4, 2)[:256],
        "reason_codes": tuple(code for one in obr.repetitions(31) if part(one, 3) and (code := code_of(part(one)))),
        "clinical_question": _question(group, obr),
        "ordered_at": time_of(orc.text(9), agreement.zone) or time_of(message.stated_time, agreement.zone),
    }
    try:
        return OrderFact.model_validate(values)
    except ValidationError as error:
        raise RefusedMessageError(RefusalReason.VALUES_DO_NOT_FIT, "ORC or OBR") from error


def _action(orc: Segment) -> Action:
    control = orc.text(1).upper()
    if control not in _ACTIONS:
        raise RefusedMessageError(RefusalReason.UNKNOWN_ORDER_CONTROL, "ORC-1")
    if control == "SC" and orc.text(5).upper() in _CANCELLED_STATUSES:
        return "cancelled"
    return _ACTIONS[control]


def _question(group: Sequence[Segment], obr: Segment) -> str:
    """Return why the study is asked for: OBR-31 and OBR-13, else the notes."""
    lines = [part(one, 2) or part(one) for one in obr.repetitions(31)]
    lines += [" ".join(part(one) for one in obr.repetitions(13))]
    if not any(lines):
        lines = [part(one) for segment in group if segment.name == "NTE" for one in segment.repetitions(3)]
    return "\n".join(dict.fromkeys(filter(None, lines)))[:20_000]
