"""
The reading room that is asked about: readers, pathways, reading times, and how urgent cases come in. Pure.

Minutes everywhere. Traffic is the work offered per reader, as it is without AI: 0.8 means that the readers are busy
for 80 % of the time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

from voorrang.errors import ConfigurationError

_FRACTIONS = ("share", "prevalence", "sensitivity", "false_positive_fraction", "interrupting_fraction")


@dataclass(frozen=True, slots=True)
class Pathway:
    """
    Exams that one model reads, or none.

    Parameters
    ----------
    name
        As it is shown.
    share
        Part of the exams that do not interrupt, 0 to 1.
    prevalence
        Part of them with the condition, 0 to 1.
    sensitivity
        Part of the diseased that is flagged, 0 to 1; 0 where no model reads them.
    false_positive_fraction
        Part of the others that is flagged, 0 to 1.
    reading_minutes
        Mean reading time without the condition.
    reading_minutes_diseased
        Mean reading time with it.
    reading_minutes_false_positive
        Mean reading time without the condition but with a flag that the reader has seen.
    latency_minutes
        From the exam's place on the list to the model's answer; it may be read before.
    priority
        Flagged exams of priority 1 go before those of 2, and so on; equal numbers share one class.
    """

    name: str
    share: float
    prevalence: float
    sensitivity: float
    false_positive_fraction: float
    reading_minutes: float
    reading_minutes_diseased: float
    reading_minutes_false_positive: float
    latency_minutes: float = 0.0
    priority: int = 1


@dataclass(frozen=True, slots=True)
class Kind:
    """
    Exams that nothing tells apart: of one pathway, with or without the condition, flagged or not.

    Parameters
    ----------
    pathway
        Its number.
    diseased
        Has the condition.
    flagged
        The model says so.
    fraction
        Part of all arrivals, 0 to 1.
    minutes
        Mean reading time without AI.
    minutes_flag_seen
        Mean reading time with AI, when the answer is known at the opening.
    """

    pathway: int
    diseased: bool
    flagged: bool
    fraction: float
    minutes: float
    minutes_flag_seen: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    One reading room.

    Parameters
    ----------
    traffic
        Work offered per reader without AI, above 0 and below 1.
    readers
        How many, at least 1.
    pathways
        Their shares add up to 1.
    interrupting_fraction
        Part of all arrivals that goes before everything, 0 to 1.
    reading_minutes_interrupting
        Mean reading time of those.
    preemptive
        A reading in hand is put aside for a case of a class before it, and resumed later.
    """

    traffic: float
    readers: int
    pathways: tuple[Pathway, ...]
    interrupting_fraction: float
    reading_minutes_interrupting: float
    preemptive: bool

    def kinds(self) -> tuple[Kind, ...]:
        """Return the kinds of exams that do not interrupt, four for each pathway."""
        return tuple(
            kind
            for number, pathway in enumerate(self.pathways)
            for kind in _kinds_of(number, pathway, 1 - self.interrupting_fraction)
        )

    @property
    def parts(self) -> tuple[float, ...]:
        """Part of each kind of all arrivals; that of what interrupts is the last."""
        return (*(kind.fraction for kind in self.kinds()), self.interrupting_fraction)

    @property
    def mean_minutes(self) -> float:
        """Mean reading time over all classes, without AI."""
        return self._mean(kind.fraction * kind.minutes for kind in self.kinds())

    @property
    def arrivals_per_minute(self) -> float:
        """Exams a minute that make the traffic (reference: arrival rate = readers · traffic / mean reading time)."""
        return self.readers * self.traffic / self.mean_minutes

    @property
    def traffic_with_ai(self) -> float:
        """Work offered per reader when false positives take longer to read."""
        mean = self._mean(kind.fraction * kind.minutes_flag_seen for kind in self.kinds())
        return self.traffic * mean / self.mean_minutes

    @property
    def flag_classes(self) -> tuple[int, ...]:
        """Priorities of flagged exams, the first read first."""
        return tuple(sorted({pathway.priority for pathway in self.pathways}))

    def _mean(self, weighted: Iterable[float]) -> float:
        return self.interrupting_fraction * self.reading_minutes_interrupting + math.fsum(weighted)


def check_scenario(scenario: Scenario, *, endless: bool = True) -> None:
    """
    Refuse what no reading room can be.

    Parameters
    ----------
    scenario
        What was asked.
    endless
        The arrivals never stop, so that traffic of 1 or more has no mean wait; false for a replayed file.

    Raises
    ------
    ConfigurationError
        Says in one line which value is impossible, and why.
    """
    for problem in _problems(scenario):
        raise ConfigurationError(problem)
    if not endless:
        return
    if not 0 < scenario.traffic < 1:
        raise ConfigurationError(
            f"traffic is {scenario.traffic:g}: it must be above 0 and below 1, else the waits grow without end"
        )
    if scenario.traffic_with_ai >= 1:
        raise ConfigurationError(
            f"traffic with AI comes to {scenario.traffic_with_ai:.3f}: false positives take so long to read "
            "that the waits grow without end"
        )


def _problems(scenario: Scenario) -> Iterator[str]:
    if scenario.readers < 1:
        yield f"readers is {scenario.readers}: at least 1 is needed"
    yield from _impossible_values(scenario, "")
    several = len(scenario.pathways) > 1
    for pathway in scenario.pathways:
        yield from _impossible_values(pathway, f"pathway {pathway.name}: " if several else "")
    total = math.fsum(pathway.share for pathway in scenario.pathways)
    if not math.isclose(total, 1.0, abs_tol=1e-9):
        yield f"the shares of the pathways add up to {total:g}: at most 1 is possible"


def _impossible_values(described: Scenario | Pathway, where: str) -> Iterator[str]:
    for field in fields(described):
        value = getattr(described, field.name)
        words = where + field.name.replace("_", "-")
        if field.name in _FRACTIONS and not 0 <= value <= 1:
            yield f"{words} is {value:g}: it must lie between 0 and 1"
        if field.name.startswith("reading_minutes") and not 0 < value < math.inf:
            yield f"{words} is {value:g}: it must be above 0"
        if field.name == "latency_minutes" and not 0 <= value < math.inf:
            yield f"{words} is {value:g}: it must be 0 or more"


def _kinds_of(number: int, pathway: Pathway, part: float) -> Iterator[Kind]:
    for diseased in (True, False):
        flagged_part = pathway.sensitivity if diseased else pathway.false_positive_fraction
        minutes = pathway.reading_minutes_diseased if diseased else pathway.reading_minutes
        of_pathway = pathway.share * (pathway.prevalence if diseased else 1 - pathway.prevalence)
        for flagged in (True, False):
            yield Kind(
                pathway=number,
                diseased=diseased,
                flagged=flagged,
                fraction=part * of_pathway * (flagged_part if flagged else 1 - flagged_part),
                minutes=minutes,
                minutes_flag_seen=pathway.reading_minutes_false_positive if flagged and not diseased else minutes,
            )
