"""The readers, by hand-counted days and beside a second, plainer room."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worklist.queueing.reading_room import Answer, waits

DAY = ([0.0, 1.0, 2.0, 3.0, 4.0], [10.0, 10.0, 4.0, 3.0, 2.0])


def test_day_without_interruption_counted_by_hand() -> None:
    arrivals, minutes = DAY
    # Two readers open the first two. At 10 the flagged fifth, at 11 the third, at 12 the fourth.
    assert waits(arrivals, [1, 1, 1, 1, 0], minutes, 2, preemptive=False) == [0, 0, 9, 9, 6]
    assert waits(arrivals, [1, 1, 1, 1, 1], minutes, 2, preemptive=False) == [0, 0, 8, 8, 10]


def test_day_with_interruption_counted_by_hand() -> None:
    arrivals, minutes = DAY
    # At 4 the second is put aside for the fifth, resumed at 6, done at 13: two minutes late.
    assert waits(arrivals, [1, 1, 1, 1, 0], minutes, 2, preemptive=True) == [0, 2, 8, 10, 0]


def test_late_answer_moves_what_still_waits_and_nothing_else() -> None:
    arrivals, minutes = DAY
    answers = [Answer(5.0, 0, 0, 99.0), Answer(6.0, 3, 0, 5.0), Answer(50.0, 2, 0, 99.0)]
    # The first is in reading and keeps its time; the fourth is opened at 10 with its new time, the fifth at 14.
    assert waits(arrivals, [1] * 5, minutes, 2, preemptive=False, answers=answers) == [0, 0, 9, 7, 11]


def test_late_answer_interrupts() -> None:
    # At 3 the waiting second becomes urgent: read until 8, the first resumed until 15.
    answers = [Answer(3.0, 1, 0, 5.0)]
    assert waits([0.0, 1.0], [1, 1], [10.0, 9.0], 1, preemptive=True, answers=answers) == [5, 2]


def test_reading_in_hand_that_turns_out_urgent_is_not_interrupted() -> None:
    answers = [Answer(1.0, 0, 0, 10.0)]
    assert waits([0.0, 2.0], [1, 0], [10.0, 1.0], 1, preemptive=True, answers=answers) == [0, 8]


@given(st.integers(0, 10_000), st.integers(1, 4), st.booleans(), st.booleans(), st.integers(1, 40), st.integers(1, 4))
def test_room_agrees_with_a_plain_one(
    seed: int, readers: int, preemptive: bool, late: bool, number: int, classes: int
) -> None:
    random = Random(seed)
    arrivals = sorted(random.uniform(0, 10 * number / readers) for _ in range(number))
    first = [random.randrange(classes) for _ in arrivals]
    minutes = [random.expovariate(0.1) for _ in arrivals]
    answers = [
        Answer(arrivals[exam] + random.uniform(0, 30), exam, random.randrange(first[exam] + 1), 7.5 + random.random())
        for exam in range(number)
        if late and random.random() < 0.5
    ]
    answers.sort(key=lambda answer: answer.at)
    found = waits(arrivals, first, minutes, readers, preemptive=preemptive, answers=answers)
    plain = plain_waits(arrivals, first, minutes, readers, preemptive, answers)
    assert found == pytest.approx(plain, abs=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(2, 60))
def test_equal_readings_conserve_the_sum_of_waits_in_every_single_run(seed: int, readers: int, number: int) -> None:
    random = Random(seed)
    arrivals = sorted(random.uniform(0, 10 * number / readers) for _ in range(number))
    classes = [random.randrange(3) for _ in arrivals]
    one_list = waits(arrivals, [0] * number, [10.0] * number, readers, preemptive=False)
    by_class = waits(arrivals, classes, [10.0] * number, readers, preemptive=False)
    assert sum(by_class) == pytest.approx(sum(one_list), abs=1e-6)


def plain_waits(
    arrivals: list[float],
    classes: list[int],
    minutes: list[float],
    readers: int,
    preemptive: bool,
    answers: list[Answer],
) -> list[float]:
    """Walk from moment to moment and look at every exam at each: slow, without heaps."""
    current, left, total = list(classes), list(minutes), list(minutes)
    in_hand: set[int] = set()
    begun: set[int] = set()
    done: dict[int, float] = {}
    arriving, speaking, now = list(range(len(arrivals))), list(answers), 0.0
    present: set[int] = set()
    while len(done) < len(arrivals):
        moments = [now + left[exam] for exam in in_hand]
        moments += [arrivals[exam] for exam in arriving[:1]] + [answer.at for answer in speaking[:1]]
        step = min(moments) - now
        now += step
        for exam in in_hand:
            left[exam] -= step
        for exam in [exam for exam in in_hand if left[exam] < 1e-9]:
            in_hand.remove(exam)
            present.remove(exam)
            done[exam] = now - arrivals[exam] - total[exam]
        while arriving and arrivals[arriving[0]] <= now:
            present.add(arriving.pop(0))
        while speaking and speaking[0].at <= now:
            answer = speaking.pop(0)
            if answer.exam in done or (answer.exam in in_hand and not preemptive):
                continue
            current[answer.exam] = answer.new_class
            if answer.exam not in begun:
                left[answer.exam] = total[answer.exam] = answer.minutes
        fill(present, in_hand, current, readers, preemptive)
        begun |= in_hand
    return [done[exam] for exam in range(len(arrivals))]


def fill(present: set[int], in_hand: set[int], current: list[int], readers: int, preemptive: bool) -> None:
    """Give free readers the first of the list, and let it interrupt a class behind it."""
    while waiting := present - in_hand:
        first = min(waiting, key=lambda exam: (current[exam], exam))
        last = max(in_hand, key=lambda exam: (current[exam], exam), default=-1)
        if len(in_hand) < readers:
            in_hand.add(first)
        elif preemptive and current[last] > current[first]:
            in_hand.remove(last)
            in_hand.add(first)
        else:
            return


def test_plain_room_counts_the_hand_counted_day() -> None:
    arrivals, minutes = DAY
    assert plain_waits(arrivals, [1, 1, 1, 1, 0], minutes, 2, True, []) == pytest.approx([0, 2, 8, 10, 0])
    assert not any(math.isnan(wait) for wait in plain_waits(arrivals, [1] * 5, minutes, 1, False, []))
