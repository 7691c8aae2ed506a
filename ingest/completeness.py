"""When a series is complete for a pathway, and when that is confirmed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from voorrang.dicom.geometry import SeriesGeometry
from voorrang.pathways.pathway import Pathway


@dataclass(frozen=True, slots=True)
class Arrival:
    """When the instances of one revision of a series came in, by our own clock."""

    began_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to go on now, and why; `partial` says that instances may be missing."""

    is_complete: bool
    partial: bool
    reasons: tuple[str, ...]


WAIT = Verdict(False, False, ())


def judge(pathway: Pathway, geometry: SeriesGeometry, arrival: Arrival, now: datetime) -> Verdict:
    """
    Decide whether a series is complete.

    Complete is a series that has been quiet and whose geometry is whole; after the cap it goes on as partial. A stack
    cut off at an end is evenly spaced too: that is why a negative stays provisional until it is confirmed.
    """
    rule = pathway.complete
    quiet_seconds = (now - arrival.last_at).total_seconds()
    age_seconds = (now - arrival.began_at).total_seconds()
    if geometry.is_whole and quiet_seconds >= rule.quiet_seconds:
        return Verdict(True, False, ("geometry_whole", "quiet"))
    if age_seconds >= rule.cap_seconds:
        why = ("cap",) if geometry.is_whole else ("cap", "geometry_not_whole")
        return Verdict(True, True, why)
    return WAIT


def seconds_to_look_again(pathway: Pathway, arrival: Arrival, now: datetime) -> float:
    """Return how long it is of no use to judge a series again, seconds; 0 when it should be judged now."""
    rule = pathway.complete
    to_quiet = rule.quiet_seconds - (now - arrival.last_at).total_seconds()
    to_cap = rule.cap_seconds - (now - arrival.began_at).total_seconds()
    return max(0.0, min(to_quiet, to_cap))


def confirmation(pathway: Pathway, geometry: SeriesGeometry, arrival: Arrival, now: datetime) -> str | None:
    """
    Decide whether a complete series is confirmed; return the code of why, or None.

    Confirmed is what has been quiet for the pathway's longer time and covers what the pathway asks. Agreement with an
    instance count that the modality or the PACS gives comes beside it.
    """
    rule = pathway.complete.negative_provisional_until
    quiet = (now - arrival.last_at).total_seconds() >= rule.quiet_seconds
    covers = geometry.coverage_mm >= pathway.wants.min_coverage_mm
    return "quiet_and_coverage" if quiet and covers and geometry.is_whole else None
