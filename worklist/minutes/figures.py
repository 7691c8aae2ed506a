"""Minutes saved and lost, by pathway and by week, each beside how often the order was followed. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from enum import StrEnum

from worklist.minutes.comparing import Compared
from worklist.minutes.facts import Said
from worklist.minutes.intervals import Interval, mean_over_days, share_over_days

STAT_TIER = 0.0

Confirmed = Collection[tuple[str, str]]


class Measure(StrEnum):
    """
    Whose minutes; a closed set.

    An exam that people marked STAT counts under `saved_by_stat` alone. Every other is a positive (a model flagged it at
    last, before it was opened or after) or the rest; of the positives some are confirmed.
    """

    SAVED_BY_POSITIVES = "saved_by_positives"
    SAVED_BY_TRUE_POSITIVES = "saved_by_true_positives"
    SAVED_BY_STAT = "saved_by_stat"
    LOST_BY_REST = "lost_by_rest"
    LOST_TO_LATENCY = "lost_to_latency"


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One figure.

    Parameters
    ----------
    measure
        Whose minutes.
    pathway, week
        Of which exams; None for all. A week is that of the ISO calendar in which the exam came.
    exams, days
        How many, on how many days.
    followed, by_next
        How many of them stood first of all that was free when they were opened; how many were opened by `next`.
    minutes
        In all.
    minutes_per_exam
        Their mean.
    """

    measure: Measure
    pathway: str | None
    week: str | None
    exams: int
    days: int
    followed: int
    by_next: int
    minutes: float
    minutes_per_exam: Interval | None


@dataclass(frozen=True, slots=True)
class BeforeFirstOpen:
    """Of the exams that people marked STAT, on one pathway: how many had an answer shown when they were opened."""

    pathway: str
    exams: int
    with_answer: int
    share: Interval | None


@dataclass(frozen=True, slots=True)
class Cost:
    """
    What the answers of a pathway cost, in the currency of the site's prices.

    `cost` is None while an answer has no price; `per_minute_saved` is the cost of one minute saved by positives, None
    where none was saved; its upper end is None where it may be that none was.
    """

    pathway: str
    answers: int
    cost: float | None
    per_minute_saved: Interval | None


def figures(compared: Sequence[Compared], confirmed: Confirmed, zone: tzinfo) -> list[Figure]:
    """
    Return every figure there is: for all exams and for each pathway, for the whole time and for each week.

    Parameters
    ----------
    compared
        The exams.
    confirmed
        Item and pathway of each flag that was found to be right.
    zone
        Of the site: its days and weeks.
    """
    pathways: list[str | None] = [None, *sorted({name for one in compared for name in one.exam.pathways})]
    weeks: list[str | None] = [None, *sorted({week_of(one.exam.arrived_at, zone) for one in compared})]
    found = []
    for week in weeks:
        those = [one for one in compared if week is None or week_of(one.exam.arrived_at, zone) == week]
        for pathway in pathways:
            mine = [one for one in those if pathway is None or pathway in one.exam.pathways]
            days = sorted({day_of(one, zone) for one in mine})
            for measure, group, minutes in _groups(mine, pathway, confirmed):
                found.append(_figure(measure, pathway, week, group, minutes, days, zone))
    return found


def _groups(
    exams: Sequence[Compared], pathway: str | None, confirmed: Confirmed
) -> Iterable[tuple[Measure, list[Compared], Callable[[Compared], float]]]:
    others = [one for one in exams if not is_stat(one)]
    positives = [one for one in others if one.exam.flagged_by(pathway)]
    right = [one for one in positives if any((one.exam.item_key, name) in confirmed for name in _names(one, pathway))]
    yield Measure.SAVED_BY_POSITIVES, positives, lambda one: one.minutes_saved
    yield Measure.SAVED_BY_TRUE_POSITIVES, right, lambda one: one.minutes_saved
    yield Measure.SAVED_BY_STAT, [one for one in exams if is_stat(one)], lambda one: one.minutes_saved
    rest = [one for one in others if not one.exam.flagged_by(pathway)]
    yield Measure.LOST_BY_REST, rest, lambda one: -one.minutes_saved
    yield Measure.LOST_TO_LATENCY, positives, lambda one: one.minutes_lost_to_latency


def _names(one: Compared, pathway: str | None) -> Iterable[str]:
    return one.exam.pathways if pathway is None else (pathway,)


def _figure(
    measure: Measure,
    pathway: str | None,
    week: str | None,
    group: Sequence[Compared],
    minutes: Callable[[Compared], float],
    days: Sequence[date],
    zone: tzinfo,
) -> Figure:
    of_day: dict[date, list[float]] = {day: [] for day in days}
    for one in group:
        of_day[day_of(one, zone)].append(minutes(one))
    return Figure(
        measure,
        pathway,
        week,
        len(group),
        sum(1 for each in of_day.values() if each),
        sum(one.followed for one in group),
        sum(one.how == "next" for one in group),
        math.fsum(minutes(one) for one in group),
        mean_over_days([math.fsum(each) for each in of_day.values()], [len(each) for each in of_day.values()]),
    )


def is_stat(one: Compared) -> bool:
    """Tell whether people had marked an exam STAT when it was opened."""
    placed = [each for each in one.exam.history if each.at <= one.opened_at]
    return placed[-1].without_ai[0][0] == STAT_TIER


def before_first_open(compared: Iterable[Compared], zone: tzinfo) -> list[BeforeFirstOpen]:
    """Return how often an answer was there before a STAT exam was opened, by pathway."""
    stat = [one for one in compared if is_stat(one)]
    found = []
    for pathway in sorted({name for one in stat for name in one.exam.pathways}):
        mine = [one for one in stat if pathway in one.exam.pathways]
        answered = [one for one in mine if one.exam.said_by(pathway, one.opened_at) is not Said.NOTHING]
        found.append(BeforeFirstOpen(pathway, len(mine), len(answered), share_of(mine, answered, zone)))
    return found


def share_of(exams: Collection[Compared], those: Collection[Compared], zone: tzinfo) -> Interval | None:
    """Return which share some of these exams are, with an interval from days."""
    counts, successes = (Counter(day_of(one, zone) for one in each) for each in (exams, those))
    return share_over_days([successes[day] for day in counts], list(counts.values()))


def costs(spent: Mapping[str, Sequence[float | None]], found: Iterable[Figure]) -> list[Cost]:
    """
    Return what a minute saved cost, by pathway.

    Parameters
    ----------
    spent
        By pathway, what each answer cost; None without a price.
    found
        The figures.
    """
    saved = {one.pathway: one for one in found if one.week is None and one.measure is Measure.SAVED_BY_POSITIVES}
    result = []
    for pathway, each in sorted(spent.items()):
        priced = [one for one in each if one is not None]
        cost = math.fsum(priced) if len(priced) == len(each) else None
        result.append(Cost(pathway, len(each), cost, _per_minute(cost, saved.get(pathway))))
    return result


def _per_minute(cost: float | None, saved: Figure | None) -> Interval | None:
    if cost is None or saved is None or saved.minutes_per_exam is None or saved.minutes <= 0:
        return None
    low, high = saved.minutes_per_exam.low, saved.minutes_per_exam.high
    return Interval(
        cost / saved.minutes,
        cost / (high * saved.exams) if high else None,
        cost / (low * saved.exams) if low is not None and low > 0 else None,
    )


def day_of(one: Compared, zone: tzinfo) -> date:
    """Return the day on which an exam came, at the site."""
    return one.exam.arrived_at.astimezone(zone).date()


def week_of(moment: datetime, zone: tzinfo) -> str:
    """Return the week of the ISO calendar, at the site, such as `2026-W47`."""
    year, week, _ = moment.astimezone(zone).isocalendar()
    return f"{year}-W{week:02}"
