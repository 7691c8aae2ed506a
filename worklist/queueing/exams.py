"""
The exams of one run: when each arrives, what it is, how long its reading takes. Drawn by chance. Pure.

With AI and without it the same exams are read, so that only the order differs.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from worklist.queueing.scenario import Kind, Pathway, Scenario

HOURS = 24
DAY_MINUTES = 1440.0


@dataclass(frozen=True, slots=True)
class Exams:
    """
    What arrives.

    Parameters
    ----------
    arrivals
        Minutes since the start, ascending.
    kinds
        Number of the kind of each, as `Scenario.kinds` counts; what interrupts has the number after the last.
    minutes
        Reading time of each without AI.
    minutes_flag_seen
        Reading time of each with AI, when its answer is known at the opening.
    """

    arrivals: Sequence[float]
    kinds: Sequence[int]
    minutes: Sequence[float]
    minutes_flag_seen: Sequence[float]


def draw_exams(scenario: Scenario, number: int, random: Random, by_hour: Sequence[float] | None = None) -> Exams:
    """
    Draw exams that arrive by chance.

    Parameters
    ----------
    scenario
        The reading room.
    number
        How many.
    random
        Where chance comes from.
    by_hour
        Relative number of arrivals in each of the 24 hours of a day; None for the same in all.
    """
    draw, rate = random.expovariate, scenario.arrivals_per_minute
    arrivals: Iterator[float] = itertools.accumulate(draw(rate) for _ in range(number))
    kinds = scenario.kinds()
    means = [*(kind.minutes for kind in kinds), scenario.reading_minutes_interrupting]
    means_seen = [*(kind.minutes_flag_seen for kind in kinds), scenario.reading_minutes_interrupting]
    drawn = random.choices(range(len(means)), scenario.parts, k=number)
    units = [draw(1.0) for _ in range(number)]
    minutes = [unit * means[kind] for unit, kind in zip(units, drawn, strict=True)]
    same = means == means_seen
    return Exams(
        arrivals=list(arrivals) if by_hour is None else list(_bent(arrivals, by_hour)),
        kinds=drawn,
        minutes=minutes,
        minutes_flag_seen=minutes if same else [u * means_seen[k] for u, k in zip(units, drawn, strict=True)],
    )


@dataclass(frozen=True, slots=True)
class Arrival:
    """
    One exam of a file: when it came, and what the file tells beside that; None is drawn.

    Parameters
    ----------
    minute
        Minutes since the first.
    pathway
        Number of its pathway.
    interrupting
        Goes before everything.
    diseased
        Has the condition.
    flagged
        The model says so.
    reading_minutes
        How long its reading took, without AI.
    """

    minute: float
    pathway: int | None = None
    interrupting: bool | None = None
    diseased: bool | None = None
    flagged: bool | None = None
    reading_minutes: float | None = None


def redraw(arrivals: Sequence[Arrival], scenario: Scenario, random: Random) -> Exams:
    """
    Draw what a file of arrivals does not tell.

    Parameters
    ----------
    arrivals
        In order of time.
    scenario
        The reading room.
    random
        Where chance comes from.
    """
    kinds = scenario.kinds()
    up_to = list(itertools.accumulate(pathway.share for pathway in scenario.pathways))
    drawn, minutes, minutes_seen = [], [], []
    for arrival in arrivals:
        # Always as many draws, so that what one row tells does not change the chance of the others.
        chances = (random.random(), random.random(), random.random(), random.random())
        unit = random.expovariate(1.0)
        number = _kind_number(arrival, scenario, up_to, chances)
        kind = kinds[number] if number < len(kinds) else None
        mean = kind.minutes if kind else scenario.reading_minutes_interrupting
        told = arrival.reading_minutes
        drawn.append(number)
        minutes.append(unit * mean if told is None else told)
        minutes_seen.append(minutes[-1] * _lengthening(kind))
    return Exams([arrival.minute for arrival in arrivals], drawn, minutes, minutes_seen)


def _kind_number(arrival: Arrival, scenario: Scenario, up_to: Sequence[float], chances: Sequence[float]) -> int:
    if _told_or_drawn(arrival.interrupting, scenario.interrupting_fraction, chances[0]):
        return 4 * len(scenario.pathways)
    number = arrival.pathway
    if number is None:
        number = min(bisect_right(up_to, chances[1]), len(up_to) - 1)
    pathway: Pathway = scenario.pathways[number]
    diseased = _told_or_drawn(arrival.diseased, pathway.prevalence, chances[2])
    part = pathway.sensitivity if diseased else pathway.false_positive_fraction
    flagged = _told_or_drawn(arrival.flagged, part, chances[3])
    return 4 * number + 2 * (not diseased) + (not flagged)


def _told_or_drawn(told: bool | None, part: float, chance: float) -> bool:
    return chance < part if told is None else told


def _lengthening(kind: Kind | None) -> float:
    return kind.minutes_flag_seen / kind.minutes if kind else 1.0


def _bent(arrivals: Iterator[float], by_hour: Sequence[float]) -> Iterator[float]:
    """Yield arrivals of an even stream at the times at which as many have come by the profile of a day."""
    mean = sum(by_hour) / HOURS
    ends = [60.0 * total / mean for total in itertools.accumulate(by_hour)]
    last = max(hour for hour, weight in enumerate(by_hour) if weight)
    for even in arrivals:
        day, rest = divmod(even, DAY_MINUTES)
        hour = min(bisect_right(ends, rest), last)
        begun = ends[hour - 1] if hour else 0.0
        yield day * DAY_MINUTES + 60.0 * hour + (rest - begun) * mean / by_hour[hour]
