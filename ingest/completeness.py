"""When a series is complete for a pathway, and when that is confirmed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from voorrang.dicom.geometry import SeriesGeometry
from voorrang.pathways.pathway import CompletenessRule, Pathway


class VerdictCode(StrEnum):
    """Why ingest went on with a series, and what it then lacked; a closed set."""

    GEOMETRY_WHOLE = "geometry_whole"
    QUIET = "quiet"
    FORCED = "forced"
    CAP = "cap"
    REPROCESS = "reprocess"
    GEOMETRY_NOT_WHOLE = "geometry_not_whole"
    STILL_ARRIVING = "still_arriving"
    REQUIRED_SERIES_WANTING = "required_series_wanting"
    QUIET_AND_COVERAGE = "quiet_and_coverage"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a series is waited for, seconds."""

    quiet_seconds: float
    cap_seconds: float
    confirm_quiet_seconds: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """When the instances of one revision of a series came in, by our own clock; `forced`: an operator waits no more."""

    began_at: datetime
    last_at: datetime
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    What is known of a series when it is judged.

    What a modality or a PACS says of the number of instances (MPPS, availability notice, C-FIND) joins here.

    Parameters
    ----------
    arrival
        When it came.
    geometry
        How its instances lie.
    wanting
        Names of the pathway's required series that are not there, still arriving or not whole.
    """

    arrival: Arrival
    geometry: SeriesGeometry
    wanting: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to go on now, and why; `partial` says that instances may be missing."""

    is_complete: bool
    partial: bool
    reasons: tuple[VerdictCode, ...]


WAIT = Verdict(False, False, ())


def patience(rule: CompletenessRule, sender_quiet_seconds: float | None = None) -> Patience:
    """Return how long a series is waited for; a sender that is known to pause has a quiet time of its own."""
    quiet = rule.quiet_seconds if sender_quiet_seconds is None else sender_quiet_seconds
    confirm = rule.negative_provisional_until.quiet_seconds
    return Patience(quiet, max(rule.cap_seconds, quiet), max(confirm, quiet))


def judge(allowed: Patience, evidence: Evidence, now: datetime) -> Verdict:
    """
    Decide whether a series is complete.

    Complete is a series that has been quiet and whose geometry is whole, once the other series that its pathway
    requires are so too; after the cap, or when an operator says so, it goes on with what is there. A stack cut off at
    an end is evenly spaced too: that is why a negative stays provisional until it is confirmed.
    """
    arrival, is_whole = evidence.arrival, evidence.geometry.is_whole
    lacks = _shortcomings(allowed, evidence, now)
    if arrival.forced:
        partial = not is_whole or bool(evidence.wanting)
        return Verdict(True, partial, (VerdictCode.FORCED, *_whole(is_whole), *lacks))
    if not lacks:
        return Verdict(True, False, (VerdictCode.GEOMETRY_WHOLE, VerdictCode.QUIET))
    if seconds_since(arrival.began_at, now) >= allowed.cap_seconds:
        return Verdict(True, True, (VerdictCode.CAP, *lacks))
    return WAIT


def seconds_to_look_again(allowed: Patience, arrival: Arrival, now: datetime) -> float:
    """Return how long it is of no use to judge a series again, seconds; 0 when it should be judged now."""
    if arrival.forced:
        return 0.0
    to_quiet = allowed.quiet_seconds - seconds_since(arrival.last_at, now)
    to_cap = allowed.cap_seconds - seconds_since(arrival.began_at, now)
    return max(0.0, min(to_quiet, to_cap))


def confirmation(pathway: Pathway, allowed: Patience, evidence: Evidence, now: datetime) -> VerdictCode | None:
    """
    Decide whether a complete series is confirmed; return the code of why, or None.

    Confirmed is what has been quiet for the pathway's longer time and covers what the pathway asks. Agreement with an
    instance count that the modality or the PACS gives comes beside it.
    """
    quiet = seconds_since(evidence.arrival.last_at, now) >= allowed.confirm_quiet_seconds
    covers = evidence.geometry.coverage_mm >= pathway.wants.min_coverage_mm
    holds = quiet and covers and evidence.geometry.is_whole and not evidence.wanting
    return VerdictCode.QUIET_AND_COVERAGE if holds else None


def seconds_since(moment: datetime, now: datetime) -> float:
    """Return the seconds from a moment until now."""
    return (now - moment).total_seconds()


def _whole(is_whole: bool) -> tuple[VerdictCode, ...]:
    return (VerdictCode.GEOMETRY_WHOLE,) if is_whole else ()


def _shortcomings(allowed: Patience, evidence: Evidence, now: datetime) -> tuple[VerdictCode, ...]:
    is_quiet = seconds_since(evidence.arrival.last_at, now) >= allowed.quiet_seconds
    found = {
        VerdictCode.GEOMETRY_NOT_WHOLE: not evidence.geometry.is_whole,
        VerdictCode.STILL_ARRIVING: not is_quiet,
        VerdictCode.REQUIRED_SERIES_WANTING: bool(evidence.wanting),
    }
    return tuple(code for code, holds in found.items() if holds)
