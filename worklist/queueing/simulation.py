"""The waits of one reading room with AI and without, exam by exam, summed up with intervals. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from operator import mul
from random import Random

from voorrang.errors import ConfigurationError
from worklist.queueing.exams import DAY_MINUTES, Arrival, Exams, draw_exams, redraw
from worklist.queueing.groups import WITH_AI, WITHOUT_AI, members
from worklist.queueing.intervals import BATCHES, Interval, ratio_interval
from worklist.queueing.reading_room import Answer, waits
from worklist.queueing.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What a group of exams waited.

    Parameters
    ----------
    waits
        Mean wait by name of the group, minutes; None where nobody is in it.
    saved
        Mean wait without AI minus mean wait with AI of the same exams, minutes.
    """

    waits: dict[str, Interval | None]
    saved: dict[str, Interval | None]


@dataclass(frozen=True, slots=True)
class Simulation:
    """
    What a run gave.

    Parameters
    ----------
    overall
        Over all pathways; the cases that interrupt are left out.
    by_pathway
        In their order.
    patients
        How many exams were counted, those that interrupt among them.
    parts
        Part of each kind of them, as `Scenario.parts`.
    mean_minutes
        Mean reading time of such exams, without AI, where no file tells it.
    lengthening
        Their work with AI over that without, when every answer is known at the opening.
    """

    overall: Outcome
    by_pathway: tuple[Outcome, ...]
    patients: int
    parts: tuple[float, ...]
    mean_minutes: float
    lengthening: float


@dataclass(frozen=True, slots=True)
class _BatchSums:
    """Sums over one batch, by kind of exam."""

    count: list[float]
    without: list[float]
    with_ai: list[float]
    minutes: list[float]
    minutes_flag_seen: list[float]


def warm_up_patients(patients: int) -> int:
    """Return how many exams are read before the count begins: the room starts empty."""
    return max(patients // 10, 2000)


def simulate(scenario: Scenario, patients: int, seed: int, by_hour: Sequence[float] | None = None) -> Simulation:
    """
    Simulate endless arrivals.

    Parameters
    ----------
    scenario
        The reading room.
    patients
        How many exams are counted, after the warm-up; at least 1000.
    seed
        Of the random numbers.
    by_hour
        Relative number of arrivals in each hour of a day; batches are then whole days.

    Raises
    ------
    ConfigurationError
        When there are too few exams for 20 batches.
    """
    if patients < 1000:
        raise ConfigurationError(f"patients is {patients}: at least 1000 are needed for 20 batches")
    warm_up = warm_up_patients(patients)
    exams = draw_exams(scenario, warm_up + patients, Random(seed), by_hour)
    cuts = _whole_days(exams.arrivals, warm_up) if by_hour else _even(warm_up, patients)
    return _summed_up(scenario, list(_batches(scenario, exams, cuts)), cuts[-1] - cuts[0])


def replay(
    scenario: Scenario, arrivals: Sequence[Arrival], seed: int, told: Callable[[int], None] = lambda _: None
) -> Simulation:
    """
    Simulate the arrivals of a file 20 times, each time drawing anew what the file does not tell.

    Parameters
    ----------
    scenario
        The reading room.
    arrivals
        In order of time; the room is empty at the first.
    seed
        Of the random numbers.
    told
        Called with the number of redraws done so far.
    """
    batches: list[_BatchSums] = []
    for number in range(BATCHES):
        exams = redraw(arrivals, scenario, Random(f"{seed}/{number}"))
        batches += _batches(scenario, exams, [0, len(arrivals)])
        told(number + 1)
    return _summed_up(scenario, batches, len(arrivals))


def waits_without_and_with(scenario: Scenario, exams: Exams) -> tuple[list[float], list[float]]:
    """Return the wait of each exam without AI and with it, minutes."""
    last = len(scenario.flag_classes) + 1
    interrupting = 4 * len(scenario.pathways)
    first = [1] * interrupting + [0]
    without = waits(
        exams.arrivals,
        [first[kind] for kind in exams.kinds],
        exams.minutes,
        scenario.readers,
        preemptive=scenario.preemptive,
    )
    at_once, later = [last] * interrupting + [0], {}
    for number, kind in enumerate(scenario.kinds()):
        pathway = scenario.pathways[kind.pathway]
        if kind.flagged and pathway.latency_minutes:
            later[number] = (pathway.latency_minutes, 1 + scenario.flag_classes.index(pathway.priority))
        elif kind.flagged:
            at_once[number] = 1 + scenario.flag_classes.index(pathway.priority)
    with_ai = waits(
        exams.arrivals,
        [at_once[kind] for kind in exams.kinds],
        _minutes_at_arrival(exams, later),
        scenario.readers,
        preemptive=scenario.preemptive,
        answers=_answers(exams, later),
    )
    return without, with_ai


def _minutes_at_arrival(exams: Exams, later: Container[int]) -> Sequence[float]:
    """Return how long each reading takes until an answer changes it: as without AI where the answer comes later."""
    if not later:
        return exams.minutes_flag_seen
    both = zip(exams.kinds, exams.minutes, exams.minutes_flag_seen, strict=True)
    return [without if kind in later else seen for kind, without, seen in both]


def _answers(exams: Exams, later: dict[int, tuple[float, int]]) -> list[Answer]:
    if not later:
        return []
    answers = [
        Answer(exams.arrivals[exam] + later[kind][0], exam, later[kind][1], exams.minutes_flag_seen[exam])
        for exam, kind in enumerate(exams.kinds)
        if kind in later
    ]
    return sorted(answers, key=lambda answer: answer.at)


def _even(warm_up: int, patients: int) -> list[int]:
    return [warm_up + patients * number // BATCHES for number in range(BATCHES + 1)]


def _whole_days(arrivals: Sequence[float], warm_up: int) -> list[int]:
    """Return where batches of whole days begin and end."""
    midnights = [number for number, (a, b) in enumerate(pairwise(arrivals), 1) if a // DAY_MINUTES < b // DAY_MINUTES]
    usable = [number for number in midnights if number >= warm_up]
    if len(usable) <= BATCHES:
        raise ConfigurationError(
            f"the run lasts {len(usable)} days after the warm-up: at least {BATCHES + 1} are needed, take more patients"
        )
    return [usable[(len(usable) - 1) * number // BATCHES] for number in range(BATCHES + 1)]


def _batches(scenario: Scenario, exams: Exams, cuts: Sequence[int]) -> Iterable[_BatchSums]:
    without, with_ai = waits_without_and_with(scenario, exams)
    kinds = 4 * len(scenario.pathways) + 1
    for begin, end in pairwise(cuts):
        sums = _BatchSums(*([0.0] * kinds for _ in fields(_BatchSums)))
        for exam in range(begin, end):
            kind = exams.kinds[exam]
            sums.count[kind] += 1
            sums.without[kind] += without[exam]
            sums.with_ai[kind] += with_ai[exam]
            sums.minutes[kind] += exams.minutes[exam]
            sums.minutes_flag_seen[kind] += exams.minutes_flag_seen[exam]
        yield sums


def _summed_up(scenario: Scenario, batches: Sequence[_BatchSums], patients: int) -> Simulation:
    numbers = range(len(scenario.pathways))
    counted = [sum(of_kind) for of_kind in zip(*(batch.count for batch in batches), strict=True)]
    parts = tuple(count / sum(counted) for count in counted)
    means = (*(kind.minutes for kind in scenario.kinds()), scenario.reading_minutes_interrupting)
    return Simulation(
        overall=_outcome(scenario, batches, None),
        by_pathway=tuple(_outcome(scenario, batches, number) for number in numbers),
        patients=patients,
        parts=parts,
        mean_minutes=math.fsum(map(mul, parts, means)),
        lengthening=sum(sum(b.minutes_flag_seen) for b in batches) / sum(sum(b.minutes) for b in batches),
    )


def _outcome(scenario: Scenario, batches: Sequence[_BatchSums], pathway: int | None) -> Outcome:
    found: dict[str, Interval | None] = {}
    saved: dict[str, Interval | None] = {}
    for group in (WITHOUT_AI, *WITH_AI):
        kinds = members(scenario, group, pathway)
        counts = [_sum(batch.count, kinds) for batch in batches]
        without = [_sum(batch.without, kinds) for batch in batches]
        with_ai = [_sum(batch.with_ai, kinds) for batch in batches]
        found[group] = ratio_interval(without if group == WITHOUT_AI else with_ai, counts)
        if group != WITHOUT_AI:
            differences = [before - now for before, now in zip(without, with_ai, strict=True)]
            saved[group.replace("wait_", "saved_")] = ratio_interval(differences, counts)
    return Outcome(found, saved)


def _sum(values: Sequence[float], kinds: Iterable[int]) -> float:
    return sum(values[kind] for kind in kinds)
