"""What the replay gives is what the other order would have given."""

from __future__ import annotations

import random
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.worklist.reading_days import (
    ROUTINE,
    STAT,
    SmallRoom,
    any_days,
    at,
    by_key,
    make_exam,
    make_readings,
    minute,
)
from worklist.minutes.comparing import Compared, compare
from worklist.minutes.facts import Exam, Readings

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
