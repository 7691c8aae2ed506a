"""What is known of an item's order and reports, and whether it still awaits a reading. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from voorrang.events.records import Tier


class Standing(StrEnum):
    """Whether an item is on the live list; a closed set."""

    OPEN = "open"
    REPORTED = "reported"
    WITHDRAWN = "withdrawn"


class ReportStatus(StrEnum):
    """What a version of a report is; a closed set."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    CORRECTED = "corrected"


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """The highest version of an order; `told_at` is when its first event was."""

    order_key: str
    patient_key: str
    urgency: Tier
    reading_group: str
    procedure_code: str
    reason_codes: tuple[str, ...]
    has_clinical_question: bool
    ordered_at: datetime
    is_cancelled: bool
    stated_at: datetime


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """One version of a report of an item."""

    report_key: str
    report_version: int
    status: ReportStatus
    stated_at: datetime


@dataclass(frozen=True, slots=True)
class Settled:
    """How an item stands, since when, and why; an open one has neither time nor reason."""

    standing: Standing = Standing.OPEN
    at: datetime | None = None
    why: str = ""


def settled(
    order: OrderFacts | None, reports: Iterable[ReportFacts], rejected: Iterable[tuple[str, datetime]]
) -> Settled:
    """
    Return how an item stands.

    The first signed report closes it for good: a corrected one is no new reading, and a preliminary one after it is no
    taking back. A cancelled order withdraws it until the order stands again. Images that were all rejected withdraw it
    until others come.

    Parameters
    ----------
    order
        Of the item; None without one.
    reports
        Every version of every report of it.
    rejected
        Of each study that nothing stands of, the reason and since when; empty unless that holds for all its studies.
    """
    signed = [one.stated_at for one in reports if one.status is not ReportStatus.PRELIMINARY]
    if signed:
        return Settled(Standing.REPORTED, min(signed), "reported")
    if order is not None and order.is_cancelled:
        return Settled(Standing.WITHDRAWN, order.stated_at, "order_cancelled")
    gone = sorted(rejected, key=lambda one: (one[1], one[0]))
    if gone:
        return Settled(Standing.WITHDRAWN, gone[-1][1], gone[-1][0])
    return Settled()


def surviving(patient_key: str, merges: Mapping[str, tuple[str, datetime]]) -> str:
    """
    Return whom a patient was merged into, at the end of all merges.

    Where merges go round in a circle the oldest of it is undone: a later word merged the other way.

    Parameters
    ----------
    patient_key
        Whose.
    merges
        Merged key to surviving key and when that was stated, the last word on each.
    """
    path = [patient_key]
    while (found := merges.get(path[-1])) is not None:
        if found[0] in path:
            circle = path[path.index(found[0]) :]
            return min(circle, key=lambda key: (merges[key][1], key))
        path.append(found[0])
    return path[-1]
