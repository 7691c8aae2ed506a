"""
The mean waits that theory gives for a reading room, and by which method; None where only a simulation can tell. Pure.

By definition (reference: the papers of QuCAD) the diseased wait is Se·W⁺ + (1-Se)·W⁻ with W⁺ and W⁻ the mean waits of
all flagged and of all other exams.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from worklist.queueing.closed_forms import Class, ClassWait, Stream, mean_minutes, priority_waits
from worklist.queueing.groups import WITH_AI, WITHOUT_AI, members
from worklist.queueing.scenario import Kind, Scenario

_NONE = "none"


@dataclass(frozen=True, slots=True)
class Prediction:
    """
    Mean waits by theory.

    Parameters
    ----------
    overall
        By name of the group, minutes; None where no exact form is known, or nobody is in it.
    by_pathway
        The same for each pathway.
    methods
        How each of `overall` was found.
    own_reading_diseased
        The mean wait of the diseased when each one's own reading time counts; None unless it differs from
        `overall`, which takes the mean of the class.
    """

    overall: dict[str, float | None]
    by_pathway: tuple[dict[str, float | None], ...]
    methods: dict[str, str]
    own_reading_diseased: float | None


@dataclass(frozen=True, slots=True)
class _Queue:
    """The waits of each kind of exam in one order of reading; None where no exact form is known."""

    by_kind: tuple[ClassWait, ...] | None
    class_minutes: tuple[float, ...]
    method: str


def predict(scenario: Scenario) -> Prediction:
    """Return the mean waits that theory gives for endless, even arrivals."""
    kinds = scenario.kinds()
    without = _queue(scenario, [1] * len(kinds), seen=False)
    late = any(pathway.latency_minutes for pathway in scenario.pathways)
    with_ai = _Queue(None, (), _NONE) if late else _queue(scenario, _classes_with_ai(scenario), seen=True)
    groups = (WITHOUT_AI, *WITH_AI)

    def mean(group: str, pathway: int | None) -> float | None:
        """Return the mean wait of a group by the means of its classes."""
        queue = without if group == WITHOUT_AI else with_ai
        return _mean(queue, kinds, members(scenario, group, pathway), seen=group != WITHOUT_AI, pooled=True)

    own = _mean(with_ai, kinds, members(scenario, "wait_diseased"), seen=True, pooled=False)
    overall = {group: mean(group, None) for group in groups}
    pooled = overall["wait_diseased"]
    return Prediction(
        overall=overall,
        by_pathway=tuple({group: mean(group, number) for group in groups} for number in range(len(scenario.pathways))),
        methods={group: (without if group == WITHOUT_AI else with_ai).method for group in groups},
        own_reading_diseased=None if own is None or pooled is None or math.isclose(own, pooled) else own,
    )


def _classes_with_ai(scenario: Scenario) -> list[int]:
    last = len(scenario.flag_classes) + 1
    return [
        1 + scenario.flag_classes.index(scenario.pathways[kind.pathway].priority) if kind.flagged else last
        for kind in scenario.kinds()
    ]


def _queue(scenario: Scenario, class_of_kind: Sequence[int], *, seen: bool) -> _Queue:
    """Return the waits by kind, when each kind is in the class of that number and what interrupts is in class 0."""
    rate = scenario.arrivals_per_minute
    kinds = scenario.kinds()
    streams: dict[int, list[Stream]] = {}
    if scenario.interrupting_fraction:
        streams[0] = [Stream(rate * scenario.interrupting_fraction, scenario.reading_minutes_interrupting)]
    for kind, number in zip(kinds, class_of_kind, strict=True):
        if kind.fraction:
            streams.setdefault(number, []).append(Stream(rate * kind.fraction, _minutes(kind, seen=seen)))
    numbers = sorted(streams)
    classes: list[Class] = [streams[number] for number in numbers]
    waits, method = priority_waits(classes, scenario.readers, preemptive=scenario.preemptive)
    if waits is None:
        return _Queue(None, (), method)
    by_class = dict(zip(numbers, zip(waits, map(mean_minutes, classes), strict=True), strict=True))
    nobody = (ClassWait(math.nan), math.nan)
    by_kind = [by_class.get(number, nobody) for number in class_of_kind]
    return _Queue(tuple(wait for wait, _ in by_kind), tuple(minutes for _, minutes in by_kind), method)


def _mean(queue: _Queue, kinds: Sequence[Kind], chosen: Sequence[int], *, seen: bool, pooled: bool) -> float | None:
    """Return the mean wait of the chosen kinds; pooled: each counts with the mean reading time of its class."""
    numbers = [number for number in chosen if kinds[number].fraction]
    if queue.by_kind is None or not numbers:
        return None
    waits = (
        queue.by_kind[number].of(queue.class_minutes[number] if pooled else _minutes(kinds[number], seen=seen))
        * kinds[number].fraction
        for number in numbers
    )
    return math.fsum(waits) / math.fsum(kinds[number].fraction for number in numbers)


def _minutes(kind: Kind, *, seen: bool) -> float:
    return kind.minutes_flag_seen if seen else kind.minutes
