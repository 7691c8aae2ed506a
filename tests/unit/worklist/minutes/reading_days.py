"""Days of reading for tests: exams and readings in minutes, made by hand, at random, or by readers of a small room."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from voorrang.events.reading_records import HowOpened
from worklist.minutes.facts import Exam, Held, Opening, Place, Placed, Readings, Said

EIGHT = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)  # a Monday
STAT, URGENT, ROUTINE = 0, 1, 2


def at(minutes: float) -> datetime:
    """Return a moment so many minutes after eight."""
    return EIGHT + timedelta(minutes=minutes)


def minute(moment: datetime) -> float:
    """Return how many minutes after eight a moment is."""
    return (moment - EIGHT) / timedelta(minutes=1)


def make_exam(
    key: str,
    arrives: float,
    *,
    flagged: float | None = None,
    tier: int = ROUTINE,
    harm: float = 0.125,
    pathway: str = "stroke",
) -> Exam:
    """Return an exam; `flagged` is the minute at which AI lifts it to urgent, or within STAT."""
    human: Place = ((tier, 0.0), at(arrives), key)
    history = [Placed(at(arrives), human, human, {pathway: Said.NOTHING})]
    if flagged is not None:
        lifted: Place = ((min(tier, URGENT), -harm), at(arrives), key)
        placed = Placed(at(flagged), lifted, human, {pathway: Said.FLAGGED})
        history = [*history, placed] if flagged > arrives else [placed]
    return Exam(key, at(arrives), tuple(history))


def make_readings(
    *read: tuple[str, str, float, float], held: Sequence[tuple[str, str, float, float]] = (), how: HowOpened = "next"
) -> Readings:
    """Return readings from (reader, exam, opened, closed)."""
    return Readings(
        tuple(Opening(at(o), n, key, reader, at(c), how) for n, (reader, key, o, c) in enumerate(read, 1)),
        tuple(Held(at(o), n, key, reader, at(c)) for n, (reader, key, o, c) in enumerate(held, 1001)),
    )


def by_key(exams: Sequence[Exam]) -> Mapping[str, Exam]:
    """Return exams by their keys."""
    return {one.item_key: one for one in exams}


@st.composite
def any_days(draw: st.DrawFn, ai: bool = True) -> tuple[list[Exam], Readings]:
    """Draw exams and readings that nobody need have made in any order: whole minutes, so that much falls together."""
    exams = []
    for number in range(draw(st.integers(1, 9))):
        arrives = draw(st.integers(0, 40))
        tier = draw(st.sampled_from([STAT, URGENT, ROUTINE, ROUTINE]))
        flagged = arrives + draw(st.integers(0, 20)) if ai and draw(st.booleans()) else None
        exam = make_exam(f"e{number}", arrives, flagged=flagged, tier=tier)
        if draw(st.booleans()):
            exam = _tier_changed(exam, arrives + draw(st.integers(1, 30)), draw(st.integers(0, 2)))
        exams.append(exam)
    return exams, draw(_any_readings(exams))


@st.composite
def _any_readings(draw: st.DrawFn, exams: Sequence[Exam]) -> Readings:
    free: dict[str, float] = {"anna": 0, "bram": 0, "chris": 0}
    let_go = {one.item_key: minute(one.listed_at) for one in exams}
    read: list[tuple[str, str, float, float]] = []
    held: list[tuple[str, str, float, float]] = []
    for exam in draw(st.permutations(exams)):
        for comes_to_nothing in draw(st.sampled_from([[False], [False], [True], [True, False], []])):
            reader = draw(st.sampled_from(sorted(free)))
            opened = max(free[reader], let_go[exam.item_key]) + draw(st.sampled_from([0, 0, 1, 4, 70]))
            closed = opened + draw(st.integers(0, 9))
            (held if comes_to_nothing else read).append((reader, exam.item_key, opened, closed))
            let_go[exam.item_key] = closed
            free[reader] = max(closed, opened + 1)  # nobody opens two at one moment
    return make_readings(*read, held=held)


def _tier_changed(exam: Exam, minutes: float, tier: int) -> Exam:
    """Let people change the tier of an exam at a moment; what AI said of it stays."""
    moment = at(minutes)
    before = [one for one in exam.history if one.at <= moment][-1]
    human: Place = ((tier, 0.0), exam.arrived_at, exam.item_key)

    def place_of(one: Placed) -> Place:
        lifts = one.place[0] < one.without_ai[0]
        return ((min(tier, URGENT), one.place[0][1]), exam.arrived_at, exam.item_key) if lifts else human

    later = [Placed(one.at, place_of(one), human, one.said) for one in exam.history if one.at > moment]
    changed = Placed(moment, place_of(before), human, before.said)
    kept = [one for one in exam.history if one.at <= moment]
    return Exam(exam.item_key, exam.arrived_at, (*kept, changed, *later))


@dataclass
class SmallRoom:
    """
    Readers who read by the list: a second, simple implementation of an order.

    Parameters
    ----------
    exams
        What comes.
    minutes
        Reading time of each.
    readers
        How many, always there.
    by_ai
        Whether the list is as AI orders it, or without.
    obeys
        Whether they take what stands first, or always what stands last.
    """

    exams: Sequence[Exam]
    minutes: Mapping[str, float]
    readers: int
    by_ai: bool = True
    obeys: bool = True

    def read(self) -> Readings:
        """Return what they read, minute by event: the reader who has been free longest takes the first."""
        free = dict.fromkeys([f"reader {n}" for n in range(self.readers)], 0.0)
        coming = sorted(self.exams, key=lambda one: (one.listed_at, one.item_key))
        waiting: list[Exam] = []
        read = []
        while coming or waiting:
            if not waiting:  # whoever has nothing to do waits for the next
                free = {name: max(then, minute(coming[0].listed_at)) for name, then in free.items()}
            reader = min(free, key=lambda name: (free[name], name))
            now = free[reader]
            while coming and minute(coming[0].listed_at) <= now:
                waiting.append(coming.pop(0))
            one = (min if self.obeys else max)(waiting, key=lambda each: self._place(each, now))
            waiting.remove(one)
            free[reader] = now + self.minutes[one.item_key]
            read.append((reader, one.item_key, now, free[reader]))
        return make_readings(*read)

    def _place(self, one: Exam, now: float) -> Place:
        known = [each for each in one.history if minute(each.at) <= now][-1]
        return known.place if self.by_ai else known.without_ai


DAY = 1440.0
SHIFTS = {"day one": (0.0, 600.0), "day two": (0.0, 600.0), "night": (600.0, DAY)}


@dataclass
class Ward:
    """
    Exams by day and night, two readers from eight to six and one from six to eight: a second implementation.

    Every reader pauses between readings, an exponential minute on average; nobody begins a reading after their shift.

    Parameters
    ----------
    seed
        Of all that happens.
    days
        How many.
    """

    seed: int
    days: int

    def exams(self) -> tuple[list[Exam], dict[str, float]]:
        """Return what comes, one in ten of it flagged after one or four minutes, and the reading times."""
        chance = random.Random(self.seed)
        exams: list[Exam] = []
        minutes: dict[str, float] = {}
        now = 0.0
        while (now := now + chance.expovariate(10 / 60)) < self.days * DAY:
            if now % DAY >= 600 and chance.random() > 0.25:
                continue
            key, is_flagged = f"e{len(exams):05}", chance.random() < 0.1
            flagged = round(now, 2) + chance.choice([1, 4]) if is_flagged else None
            exams.append(make_exam(key, round(now, 2), flagged=flagged))
            minutes[key] = round(max(1.0, chance.gauss(14 if is_flagged else 10, 3)), 2)
        return exams, minutes

    def read(self, exams: Sequence[Exam], minutes: Mapping[str, float], by_ai: bool) -> Readings:
        """Return what is read, in the order with AI or without."""
        chance = random.Random(self.seed)
        pauses = {name: random.Random(chance.random()) for name in SHIFTS}
        free = {name: start for name, (start, _) in SHIFTS.items()}
        place = SmallRoom(exams, minutes, 1, by_ai)._place
        coming = sorted(exams, key=lambda one: (one.listed_at, one.item_key), reverse=True)
        waiting: list[Exam] = []
        read = []
        while coming or waiting:
            reader = min(free, key=lambda name: (_at_work_from(name, free[name]), name))
            now = _at_work_from(reader, free[reader])
            if not waiting:
                now = max(now, minute(coming[-1].listed_at))
                free = {name: max(then, minute(coming[-1].listed_at)) for name, then in free.items()}
                reader = min(free, key=lambda name: (_at_work_from(name, free[name]), name))
                now = _at_work_from(reader, free[reader])
            while coming and minute(coming[-1].listed_at) <= now:
                waiting.append(coming.pop())
            one = min(waiting, key=lambda each: place(each, now))
            waiting.remove(one)
            closed = round(now + minutes[one.item_key], 2)
            read.append((reader, one.item_key, now, closed))
            free[reader] = round(closed + pauses[reader].expovariate(1), 2)
        return make_readings(*read)


def _at_work_from(reader: str, moment: float) -> float:
    start, end = SHIFTS[reader]
    of_day = moment % DAY
    return moment - of_day + start + (0 if of_day < start else DAY) if not start <= of_day < end else moment
