"""What may be deleted, in which order, and why; and why the rest stays. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from voorrang.pathways.pathway import Pathway

DAY = timedelta(days=1)
REST = DAY  # a study in which anything happened since then is left alone


class DeleteReason(StrEnum):
    """Why a series goes: what its event, the log and the metrics say."""

    CONFIRMED = "answered_and_confirmed_elsewhere"
    ANSWERED = "answered_and_older_than_limit"
    UNANSWERED = "unanswered_and_older_than_limit"
    UNCLAIMED = "unclaimed_and_older_than_limit"
    WATERMARK = "watermark"


class KeepReason(StrEnum):
    """Why a series stays."""

    HELD = "held"
    OPEN = "claim_open"
    ACTIVE = "active_in_the_last_day"
    UNANSWERED = "unanswered"
    WITHIN_LIMIT = "within_limit"
    NO_LIMIT = "no_limit"


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """Whether every model of a pathway has answered the last revision of a series, and no instance came since."""

    pathway: str
    is_answered: bool


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """
    What decides about one series.

    Parameters
    ----------
    series_instance_uid, study_instance_uid
        Which.
    last_received_at
        Of its last instance.
    study_active_at
        When anything of its study was last received or completed.
    is_held
        The study is under review.
    is_open
        A claim on any series of the study awaits completeness.
    claims
        What pathways make of this series.
    """

    series_instance_uid: str
    study_instance_uid: str
    last_received_at: datetime
    study_active_at: datetime
    is_held: bool
    is_open: bool
    claims: tuple[ClaimFacts, ...]

    @property
    def is_answered(self) -> bool:
        """Whether a pathway claims it, and each that does has its answers."""
        return bool(self.claims) and all(claim.is_answered for claim in self.claims)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits by age: of pathways in their files; of what none claims in days, 0 for never."""

    pathways: Mapping[str, Pathway]
    days_unclaimed: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A series that may go, and why."""

    series: SeriesFacts
    why: DeleteReason


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes by its age, what may go before when the disk is low (oldest first both), and how many stay why."""

    due: tuple[Candidate, ...]
    spare: tuple[Candidate, ...]
    kept: Mapping[KeepReason, int]


def judge(
    series: SeriesFacts, limits: Limits, now: datetime, *, disk_low: bool = False, confirmed_elsewhere: bool = False
) -> DeleteReason | KeepReason:
    """
    Decide about one series.

    Parameters
    ----------
    series
        What is known of it.
    limits
        How long series stay.
    now
        The present.
    disk_low
        What is answered may go before its limit.
    confirmed_elsewhere
        Another archive has said that it holds every instance of the series. Nobody asks one yet.
    """
    if reason := _untouchable(series, now):
        return reason
    if not series.claims:
        return _by_age(series, limits.days_unclaimed or None, now, DeleteReason.UNCLAIMED)
    older = DeleteReason.ANSWERED if series.is_answered else DeleteReason.UNANSWERED
    found = _by_age(series, _longest(series, limits, "keep_days_unless_confirmed"), now, older)
    if isinstance(found, DeleteReason):
        return found
    if not series.is_answered:
        return KeepReason.UNANSWERED
    if confirmed_elsewhere:
        found = _by_age(series, _longest(series, limits, "keep_days"), now, DeleteReason.CONFIRMED)
    return DeleteReason.WATERMARK if disk_low and isinstance(found, KeepReason) else found


def plan(every: Iterable[SeriesFacts], limits: Limits, now: datetime) -> Plan:
    """Decide about every series."""
    due, spare, kept = [], [], Counter[KeepReason]()
    for series in every:
        found = judge(series, limits, now, disk_low=True)
        if isinstance(found, KeepReason):
            kept[found] += 1
        elif found is DeleteReason.WATERMARK:
            spare.append(Candidate(series, found))
        else:
            due.append(Candidate(series, found))
    return Plan(tuple(sorted(due, key=_age)), tuple(sorted(spare, key=_age)), kept)


def _untouchable(series: SeriesFacts, now: datetime) -> KeepReason | None:
    if series.is_held:
        return KeepReason.HELD
    if series.is_open:
        return KeepReason.OPEN
    if now - max(series.last_received_at, series.study_active_at) < REST:
        return KeepReason.ACTIVE
    return None


def _by_age(series: SeriesFacts, days: int | None, now: datetime, why: DeleteReason) -> DeleteReason | KeepReason:
    if days is None:
        return KeepReason.NO_LIMIT
    return why if now - series.last_received_at > days * DAY else KeepReason.WITHIN_LIMIT


def _longest(series: SeriesFacts, limits: Limits, key: str) -> int | None:
    """Return the longest limit among the pathways that claim a series; none when one of them has none."""
    longest = 0
    for claim in series.claims:
        pathway = limits.pathways.get(claim.pathway)
        if pathway is None or pathway.retention is None:
            return None
        longest = max(longest, int(getattr(pathway.retention, key)))
    return longest


def _age(candidate: Candidate) -> tuple[datetime, str]:
    return candidate.series.last_received_at, candidate.series.series_instance_uid
