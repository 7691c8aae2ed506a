"""A reading room that takes the first by any key, with keys that change when an exam expires; and a week for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heappush
from random import Random

from voorrang.events.records import Tier
from worklist.ordering.places import Lift, SortKey

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Exam:
    """An exam of a simulation; times in minutes, `is_true` where it is flagged and has the condition."""

    name: str
    at: float
    tier: Tier
    minutes: float
    lifts: tuple[Lift, ...] = ()
    is_true: bool = False

    @property
    def arrived_at(self) -> datetime:
        return MONDAY + timedelta(minutes=self.at)


Rule = Callable[[Exam, bool], SortKey]
Look = Callable[[float, SortKey, Exam, Sequence[tuple[SortKey, Exam, bool]]], None]


def read(
    exams: Sequence[Exam], readers: Callable[[float], int], rule: Rule, cap: Callable[[Exam], float], look: Look | None
) -> dict[str, float]:
    """Return the minutes that each exam waited; `look` sees each opening and what still waits."""
    moments = [(exam.at, 0, n) for n, exam in enumerate(exams)] + [(t * 60.0, 2, -1) for t in range(24 * 60)]
    moments += [(exam.at + cap(exam), 1, n) for n, exam in enumerate(exams)]
    heapify(moments)
    waiting: dict[int, tuple[SortKey, bool]] = {}
    queue: list[tuple[SortKey, int]] = []
    waits: dict[str, float] = {}
    busy = 0
    while moments and len(waits) < len(exams):
        now, kind, n = heappop(moments)
        if kind == 3:
            busy -= 1
        elif kind == 0 or (kind == 1 and n in waiting):
            waiting[n] = (rule(exams[n], kind == 1), kind == 1)
            heappush(queue, (waiting[n][0], n))
        while busy < readers(now) and queue:
            key, first = heappop(queue)
            if first not in waiting or waiting[first][0] != key:
                continue
            del waiting[first]
            if look is not None:
                look(now, key, exams[first], [(k, exams[m], old) for m, (k, old) in waiting.items()])
            waits[exams[first].name] = now - exams[first].at
            busy += 1
            heappush(moments, (now + exams[first].minutes, 3, first))
    return waits


def make_exams(seed: int, minutes: float, gap: Callable[[float], float]) -> list[Exam]:
    """Return exams of two pathways, flagged or not; a score of two kinds, which calibration tells apart."""
    random, at = Random(seed), 0.0
    exams: list[Exam] = []
    while (at := at + random.expovariate(1 / gap(at))) < minutes:
        stroke = random.random() < 0.4
        flagged = random.random() < 0.2
        probability = random.choice((0.7, 0.1))
        target, harm, reading = (15.0, 1.0, 8.0) if stroke else (1440.0, 0.01, 12.0)
        lifts = (Lift("urgent", harm, reading, probability, target),) if flagged else ()
        tier: Tier = random.choices(("stat", "urgent", "routine"), (0.05, 0.1, 0.85))[0]
        is_true = flagged and random.random() < probability
        exams.append(Exam(f"{len(exams):05}", at, tier, random.expovariate(1 / reading), lifts, is_true))
    return exams
