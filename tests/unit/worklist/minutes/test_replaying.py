"""What the replay gives is what the other order would have given."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.worklist.minutes.reading_days import (
    STAT,
    SmallRoom,
    Ward,
    any_days,
    at,
    by_key,
    make_exam,
    make_readings,
    minute,
)
from worklist.minutes.comparing import Compared, compare
from worklist.minutes.facts import Exam, Readings
from worklist.queueing.intervals import ratio_interval

EXAMPLES = settings(deadline=None, max_examples=150, derandomize=True)


def minutes_of(exams: list[Exam], readings: Readings) -> dict[str, tuple[float, float]]:
    """Return for each exam when it was opened, and when it would have been without AI."""
    return {
        one.exam.item_key: (minute(one.opened_at), minute(one.without_ai_at))
        for one in compare(by_key(exams), readings)
    }


@EXAMPLES
@given(any_days(ai=False))
def test_where_ai_moves_nothing_nobody_gains_or_loses_whatever_readers_do(day: tuple[list[Exam], Readings]) -> None:
    exams, readings = day
    for one in compare(by_key(exams), readings):
        assert (one.minutes_saved, one.minutes_lost_to_latency, one.place) == (0, 0, one.place_without_ai)


@EXAMPLES
@given(any_days(), st.randoms(use_true_random=False))
def test_the_order_in_which_facts_are_told_changes_nothing(
    day: tuple[list[Exam], Readings], chance: random.Random
) -> None:
    exams, readings = day
    shuffled, openings, held = list(exams), list(readings.openings), list(readings.held)
    for each in (shuffled, openings, held):
        chance.shuffle(each)
    assert compare(by_key(shuffled), Readings(tuple(openings), tuple(held))) == compare(by_key(exams), readings)


@EXAMPLES
@given(any_days())
def test_every_exam_that_was_read_is_read_once_and_not_before_it_comes(day: tuple[list[Exam], Readings]) -> None:
    exams, readings = day
    found = compare(by_key(exams), readings)
    assert sorted(one.exam.item_key for one in found) == sorted(one.item_key for one in readings.openings)
    for one in found:
        assert one.without_ai_at >= one.exam.listed_at
        assert one.at_once_at >= one.exam.listed_at


class TestADayCountedByHand:
    """
    Six exams, two readers, the fifth flagged: anna and bram begin at 0.

    | exam | comes | reading | with AI                | without AI             |
    |------|-------|---------|------------------------|------------------------|
    | A    | 0     | 10      | anna 0                 | anna 0                 |
    | B    | 0     | 6       | bram 0                 | bram 0                 |
    | C    | 1     | 6       | anna 10 (E went first) | bram 6                 |
    | D    | 2     | 4       | anna 16                | anna 10                |
    | E    | 3     | 12      | bram 6, flagged at 5   | bram 12                |
    | F    | 4     | 5       | bram 18                | anna 14                |
    """

    EXAMS = (*(make_exam(key, n) for key, n in [("A", 0), ("B", 0), ("C", 1), ("D", 2)]),)
    READ = (
        ("anna", "A", 0.0, 10.0),
        ("bram", "B", 0.0, 6.0),
        ("bram", "E", 6.0, 18.0),
        ("anna", "C", 10.0, 16.0),
        ("anna", "D", 16.0, 20.0),
        ("bram", "F", 18.0, 23.0),
    )

    def found(self, flagged_at: float) -> dict[str, Compared]:
        exams = [*self.EXAMS, make_exam("E", 3, flagged=flagged_at), make_exam("F", 4)]
        return {one.exam.item_key: one for one in compare(by_key(exams), make_readings(*self.READ))}

    def test_gives_the_minute_and_the_place_of_each_without_ai(self) -> None:
        found = self.found(flagged_at=5)
        assert {key: minute(one.without_ai_at) for key, one in found.items()} == {
            "A": 0,
            "B": 0,
            "C": 6,
            "D": 10,
            "E": 12,
            "F": 14,
        }
        assert [key for key, one in sorted(found.items(), key=lambda pair: pair[1].place_without_ai)] == list("ABCDEF")
        assert [key for key, one in sorted(found.items(), key=lambda pair: pair[1].place)] == list("ABECDF")

    def test_the_flagged_one_saves_what_it_would_have_waited_and_the_others_lose(self) -> None:
        found = self.found(flagged_at=5)
        saved = {key: one.minutes_saved for key, one in found.items()}
        assert saved == {"A": 0, "B": 0, "C": -4, "D": -6, "E": 6, "F": -4}
        assert all(one.followed for one in found.values())
        assert {one.minutes_lost_to_latency for one in found.values()} == {0}

    def test_an_answer_that_came_after_the_opening_saves_nothing(self) -> None:
        """E is taken out of turn, whatever for, before it is flagged: it would have been taken so without AI too."""
        found = self.found(flagged_at=7)
        assert not found["E"].followed
        assert {one.minutes_saved for one in found.values()} == {0}


def test_latency_is_what_an_answer_at_once_would_have_saved_more() -> None:
    """One reader; C comes at 2 and is flagged at 11, when B has just been opened: C would have gone before B."""
    exams = [make_exam("A", 0), make_exam("B", 1), make_exam("C", 2, flagged=11), make_exam("D", 3)]
    readings = make_readings(("anna", "A", 0, 10), ("anna", "B", 10, 20), ("anna", "C", 20, 30), ("anna", "D", 30, 40))
    found = {one.exam.item_key: one for one in compare(by_key(exams), readings)}

    assert {key: minute(one.at_once_at) for key, one in found.items()} == {"A": 0, "B": 20, "C": 10, "D": 30}
    assert found["C"].minutes_lost_to_latency == 10
    assert {one.minutes_saved for one in found.values()} == {0}


def test_what_people_changed_is_no_merit_of_ai() -> None:
    """C is made STAT at 5 by people and flagged besides: both orders read it at 10."""
    human = make_exam("C", 2).history[0]
    stat = make_exam("C", 2, flagged=6, tier=STAT).history[1]
    by_people = type(human)(at(5), stat.without_ai, stat.without_ai, human.said)
    exams = [make_exam("A", 0), make_exam("B", 1), Exam("C", at(2), (human, by_people, stat))]
    readings = make_readings(("anna", "A", 0, 10), ("anna", "C", 10, 20), ("anna", "B", 20, 30))

    assert minutes_of(exams, readings) == {"A": (0, 0), "C": (10, 10), "B": (20, 20)}


def test_a_pause_stays_before_the_reading_that_it_was_before() -> None:
    """Anna leaves the list alone from 10 to 14 while something waits, whatever goes first then."""
    exams = [make_exam("A", 0), make_exam("B", 1), make_exam("C", 2, flagged=3)]
    readings = make_readings(("anna", "A", 0, 10), ("anna", "C", 14, 20), ("anna", "B", 20, 30))

    assert minutes_of(exams, readings) == {"A": (0, 0), "C": (14, 24), "B": (20, 14)}


def test_idle_time_is_no_pause() -> None:
    """Nothing waits from 30 to 40; without AI the two before take one minute less and more, and D is opened at 40."""
    exams = [make_exam("A", 0), make_exam("B", 1), make_exam("C", 2, flagged=3), make_exam("D", 40)]
    readings = make_readings(("anna", "A", 0, 10), ("anna", "C", 10, 21), ("anna", "B", 21, 30), ("anna", "D", 40, 50))

    assert minutes_of(exams, readings)["D"] == (40, 40)


def test_a_day_over_midnight_goes_on_as_any_other() -> None:
    late = 15 * 60 + 50  # ten to midnight
    exams = [make_exam("A", late), make_exam("B", late + 1), make_exam("C", late + 5, flagged=late + 6)]
    readings = make_readings(
        ("anna", "A", late, late + 8), ("anna", "C", late + 8, late + 18), ("anna", "B", late + 18, late + 20)
    )
    assert minutes_of(exams, readings) == {
        "A": (late, late),
        "C": (late + 8, late + 10),
        "B": (late + 18, late + 8),
    }


def test_who_comes_for_the_night_does_not_come_earlier_in_another_order() -> None:
    """The day's reader leaves two behind at 20; the night's comes at 600, not before, and reads both."""
    exams = [make_exam("A", 0), make_exam("B", 1), make_exam("C", 2), make_exam("D", 3, flagged=4)]
    readings = make_readings(
        ("day", "A", 0, 10), ("day", "D", 10, 20), ("night", "B", 600, 610), ("night", "C", 610, 620)
    )
    assert minutes_of(exams, readings) == {"A": (0, 0), "D": (10, 610), "B": (600, 10), "C": (610, 600)}


def test_an_exam_that_nobody_opens_is_in_neither_order() -> None:
    never = make_exam("never", 0, tier=STAT)
    exams = [make_exam("A", 0), make_exam("B", 1), make_exam("C", 2, flagged=3)]
    readings = make_readings(("anna", "A", 0, 10), ("anna", "C", 10, 20), ("anna", "B", 20, 30))

    expected = {"A": (0, 0), "C": (10, 20), "B": (20, 10)}
    assert minutes_of(exams, readings) == minutes_of([never, *exams], readings) == expected


def test_an_exam_of_which_nothing_is_known_before_it_was_opened_is_left_aside() -> None:
    exams = [make_exam("A", 0), make_exam("B", 15)]
    readings = make_readings(("anna", "A", 0, 10), ("anna", "B", 10, 20))

    assert minutes_of(exams, readings) == {"A": (0, 0)}


def test_one_opened_by_two_waits_until_the_second_and_keeps_both_busy() -> None:
    """Bram holds C from 2 to 5 and takes it again at 8: without AI he takes B then, and anna C at 10."""
    exams = [make_exam("A", 0), make_exam("B", 1), make_exam("C", 2, flagged=2)]
    readings = make_readings(
        ("anna", "A", 0, 10), ("bram", "C", 8, 18), ("anna", "B", 10, 20), held=[("bram", "C", 2, 5)]
    )
    found = {one.exam.item_key: one for one in compare(by_key(exams), readings)}

    assert found["C"].followed
    assert {key: (minute(one.opened_at), minute(one.without_ai_at)) for key, one in found.items()} == {
        "A": (0, 0),
        "C": (8, 10),
        "B": (10, 8),
    }


def test_whoever_takes_something_else_takes_the_same_again() -> None:
    """D is opened out of turn at 10, before C which is flagged: so it is without AI, and C gains from then on only."""
    exams = [make_exam("A", 0), make_exam("B", 1), make_exam("C", 2, flagged=3), make_exam("D", 4)]
    readings = make_readings(("anna", "A", 0, 10), ("anna", "D", 10, 20), ("anna", "C", 20, 30), ("anna", "B", 30, 40))
    found = {one.exam.item_key: one for one in compare(by_key(exams), readings)}

    assert {key: one.followed for key, one in found.items()} == {"A": True, "D": False, "C": True, "B": True}
    assert {key: one.minutes_saved for key, one in found.items()} == {"A": 0, "D": 0, "C": 10, "B": -10}


@pytest.mark.parametrize("seed", range(4))
def test_readings_of_one_length_conserve_the_sum_of_waits(seed: int) -> None:
    """Readers who never stop while something waits: nothing is gained but by another's loss (Kleinrock 1965)."""
    chance = random.Random(seed)
    exams, now = [], 0.0
    for number in range(60):
        now += chance.randint(0, 8)
        exams.append(make_exam(f"e{number}", now, flagged=now + 3 if chance.random() < 0.3 else None))
    readings = SmallRoom(exams, {one.item_key: 10.0 for one in exams}, readers=2).read()
    found = compare(by_key(exams), readings)

    assert sum(one.minutes_saved for one in found) == 0
    assert sum(abs(one.minutes_saved) for one in found) > 0
    assert sorted(one.opened_at for one in found) == sorted(one.without_ai_at for one in found)


def test_without_ai_the_mean_wait_is_that_of_the_closed_form() -> None:
    """One reader, exams at random, readings of ten minutes: Pollaczek-Khinchine, whatever AI did meanwhile."""
    chance = random.Random(4)
    exams, now = [], 0.0
    for number in range(6000):
        now += chance.expovariate(0.6 / 10)
        exams.append(make_exam(f"e{number:05}", now, flagged=now + 2 if chance.random() < 0.2 else None))
    readings = SmallRoom(exams, {one.item_key: 10.0 for one in exams}, readers=1).read()
    found = sorted(compare(by_key(exams), readings), key=lambda one: one.exam.item_key)
    waits = [(one.without_ai_at - one.exam.arrived_at) / timedelta(minutes=1) for one in found]

    interval = ratio_interval([sum(waits[start : start + 300]) for start in range(0, 6000, 300)], [300] * 20)
    assert interval is not None
    assert interval.low < 0.6 * 10 / (2 * (1 - 0.6)) < interval.high


def a_day(seed: int) -> tuple[list[Exam], dict[str, float]]:
    """Return forty exams and how long the reading of each takes."""
    chance, now = random.Random(seed), 0.0
    exams = []
    for number in range(40):
        now += chance.randint(0, 7)
        exams.append(make_exam(f"e{number:02}", now, flagged=now + 2 if chance.random() < 0.3 else None))
    return exams, {one.item_key: float(chance.randint(2, 18)) for one in exams}


@pytest.mark.parametrize("seed", range(8))
def test_a_second_implementation_agrees(seed: int) -> None:
    exams, minutes = a_day(seed)
    without = {one.item_key: one.opened_at for one in SmallRoom(exams, minutes, 2, by_ai=False).read().openings}
    found = compare(by_key(exams), SmallRoom(exams, minutes, 2).read())

    assert any(one.minutes_saved for one in found)
    same = [one for one in found if one.without_ai_at == without[one.exam.item_key]]
    assert len(same) >= len(found) - 2  # who goes home first may differ at the end of the day


@pytest.mark.parametrize("seed", range(4))
def test_readers_who_take_the_last_of_the_list_gain_and_lose_nothing(seed: int) -> None:
    exams, minutes = a_day(seed)
    found = compare(by_key(exams), SmallRoom(exams, minutes, 2, obeys=False).read())

    assert any(not one.followed for one in found)
    assert {one.minutes_saved for one in found} == {0}


def test_over_weeks_of_shifts_pauses_and_unequal_readings_it_tells_what_reading_without_ai_tells() -> None:
    saved = {True: 0.0, False: 0.0}
    truth = {True: 0.0, False: 0.0}
    for seed in range(4):
        ward = Ward(seed, days=7)
        exams, minutes = ward.exams()
        without = {one.item_key: one.opened_at for one in ward.read(exams, minutes, by_ai=False).openings}
        for one in compare(by_key(exams), ward.read(exams, minutes, by_ai=True)):
            is_flagged = one.exam.flagged_by(None)
            saved[is_flagged] += one.minutes_saved
            truth[is_flagged] += (without[one.exam.item_key] - one.opened_at) / timedelta(minutes=1)
    assert saved[True] == pytest.approx(truth[True], rel=0.05)
    assert saved[False] == pytest.approx(truth[False], rel=0.15)
