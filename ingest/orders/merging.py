"""How what many messages say of one order becomes what it is, in whatever order they come. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingest.orders.facts import OrderFact

FINAL_STATUSES = frozenset({"final", "corrected"})
_REPORT_RANKS = {"preliminary": 0, "final": 1, "corrected": 2}
_PLACES_OF_A_SECOND = 1000
PLACES_OF_A_RANK = 100


@dataclass(frozen=True, slots=True)
class Said:
    """One value, when it was stated, and the rank of the message that did."""

    value: Any
    at: str
    rank: int


def said_by(order: OrderFact, patient_key: str, question_digest: str, procedure_digest: str) -> dict[str, Any]:
    """Return the values that a message states of an order; what it leaves out is not among them."""
    values: dict[str, Any] = {
        "is_cancelled": order.action == "cancelled",
        "patient_key": patient_key,
        "urgency": order.urgency,
        "reading_group": order.reading_group,
        "procedure_code": order.procedure_code,
        "reason_codes": list(order.reason_codes),
        "question_digest": question_digest,
        "procedure_digest": procedure_digest,
        "ordered_at": order.ordered_at.isoformat() if order.ordered_at else None,
    }
    return {name: value for name, value in values.items() if value not in (None, "", [])}


def merged(known: Mapping[str, Said], values: Mapping[str, Any], at: datetime, rank: int) -> dict[str, Said]:
    """
    Return the facts with those of one more message.

    Of each value the one that was stated last counts; at one time (many systems know the minute only) the higher rank,
    then the one that came last. What no message states stays as it was: a field left out deletes nothing. Of the time
    of the order the earliest counts: later messages often have their own there.
    """
    stated = at.isoformat()
    facts = dict(known)
    for name, value in values.items():
        before = facts.get(name)
        if name == "ordered_at" and before is not None:
            earliest = min(value, before.value, key=datetime.fromisoformat)
            facts[name] = Said(earliest, before.at, before.rank)
        elif before is None or (datetime.fromisoformat(before.at), before.rank) <= (at, rank):
            facts[name] = Said(value, stated, rank)
    return facts


def report_version(stated_at: datetime, status: str, taken: int) -> int:
    """
    Return the version of a report: greater for a later one, at one time for a later status.

    Parameters
    ----------
    stated_at
        By the message.
    status
        Preliminary, final or corrected.
    taken
        How many versions of this time and status are known.
    """
    seconds = int(stated_at.timestamp())
    return seconds * _PLACES_OF_A_SECOND + _REPORT_RANKS[status] * PLACES_OF_A_RANK + min(taken, PLACES_OF_A_RANK - 1)
