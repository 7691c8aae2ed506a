"""Intervals from days: what they say when there is nothing to say, and how often they hold."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from statistics import mean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worklist.minutes import intervals
from worklist.minutes.intervals import DRAWS, FEWEST_DAYS, mean_over_days, share_over_days

DAYS = st.lists(st.tuples(st.floats(-500, 500), st.integers(0, 20)), min_size=FEWEST_DAYS, max_size=12)


def test_nothing_has_no_mean_and_few_days_no_interval() -> None:
    assert mean_over_days([0.0, 0.0], [0, 0]) is None
    few = mean_over_days([30.0, 10.0, 0.0, 20.0, 0.0, 0.0], [3, 1, 0, 2, 0, 0])
    assert few is not None
    assert (few.estimate, few.low, few.high) == (10.0, None, None)


@pytest.mark.parametrize(
    "sums",
    [
        [0.0] * 28,  # nothing moved: that says little of the day on which something will
        [60.0] + [0.0] * 27,
        [60.0, -5.0, 30.0, 45.0] + [0.0] * 24,
    ],
)
def test_where_few_days_make_all_minutes_there_is_no_interval(sums: list[float]) -> None:
    found = mean_over_days(sums, [2] * 28)
    assert found is not None
    assert (found.estimate, found.low, found.high) == (sum(sums) / 56, None, None)


@pytest.mark.parametrize("each", [0.1, 3.0])
def test_days_that_are_all_alike_tell_nothing_of_how_days_differ(each: float) -> None:
    counts = [3, 1, 4, 1, 5, 9, 2, 6]
    alike = mean_over_days([each * count for count in counts], counts)
    assert alike is not None
    assert alike.estimate == pytest.approx(each)
    assert (alike.low, alike.high) == (None, None)


def test_rare_minutes_have_an_interval_that_holds_or_none() -> None:
    """Four weeks with one exam a day, 60 times: one in five saves an hour."""
    chance = random.Random(4)
    found = []
    for _ in range(60):
        sums = [60.0 if chance.random() < 1 / 5 else 0.0 for _ in range(28)]
        found.append(mean_over_days(sums, [1] * 28))
    told = [one for one in found if one is not None and one.low is not None and one.high is not None]
    assert 20 < len(told) < 50
    assert sum((one.low or 0) <= 60 / 5 <= (one.high or 0) for one in told) >= 0.9 * len(told)


def test_ends_are_the_25th_of_999_draws_from_either_side() -> None:
    sums = [float(n) for n in range(-7, 8)]
    found = mean_over_days(sums, [1] * 15)
    assert found is not None
    error = math.sqrt(15 / 14 * sum(value**2 for value in sums)) / 15
    distances = sorted(distance for distance in _distances(sums) if distance is not None)
    assert len(distances) == DRAWS
    assert found.low == pytest.approx(-distances[974] * error)
    assert found.high == pytest.approx(-distances[24] * error)


def _distances(sums: list[float]) -> Iterator[float | None]:
    """Give the mean of each draw over its standard error: a second, plain implementation."""
    for times in intervals._draws(len(sums)):
        drawn = [value for value, n in zip(sums, times, strict=True) for _ in range(n)]
        error = stdev(drawn) / math.sqrt(len(drawn))
        yield mean(drawn) / error if error else None


@settings(deadline=None, max_examples=25, derandomize=True)
@given(DAYS, st.randoms(use_true_random=False))
def test_the_order_of_days_changes_nothing(days: list[tuple[float, int]], chance: random.Random) -> None:
    shuffled = list(days)
    chance.shuffle(shuffled)
    assert mean_over_days(*_apart(days)) == mean_over_days(*_apart(shuffled))


@settings(deadline=None, max_examples=25, derandomize=True)
@given(DAYS)
def test_saved_and_lost_are_one_interval_read_both_ways(days: list[tuple[float, int]]) -> None:
    sums, counts = _apart(days)
    saved, lost = mean_over_days(sums, counts), mean_over_days([-value for value in sums], counts)
    assert (saved is None) == (lost is None)
    if saved is not None and lost is not None:
        assert saved.estimate == pytest.approx(-lost.estimate)
        assert (saved.low is None) == (lost.low is None)


def test_it_holds_nearly_as_often_as_it_says_on_skewed_days() -> None:
    """Three weeks, 150 times: on a busy day, one in four, more is flagged and each saves more."""
    chance = random.Random(16)
    held = 0
    for _ in range(150):
        sums, counts = [], []
        for _ in range(21):
            burden = chance.choice([0.5, 0.5, 0.5, 2.5])
            count = sum(chance.random() < 0.1 * burden for _ in range(60))
            counts.append(count)
            sums.append(sum(chance.gauss(8.0 * burden, 4.0) for _ in range(count)))
        found = mean_over_days(sums, counts)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 8.0 * _mean_burden() <= found.high
    assert 0.9 < held / 150 < 0.99


def _mean_burden() -> float:
    """Return the burden of the day of an exam drawn at random."""
    burdens = (0.5, 0.5, 0.5, 2.5)
    return sum(burden**2 for burden in burdens) / sum(burdens)


def test_a_share_holds_nearly_as_often_as_it_says_though_openings_of_a_day_are_alike() -> None:
    """Four weeks of forty openings, 60 times: by day between half and nearly all follow the order."""
    chance = random.Random(9)
    held = 0
    for _ in range(60):
        openings = [chance.randint(30, 50) for _ in range(28)]
        chances = [chance.betavariate(4.9, 1.2) for _ in range(28)]
        followed = [sum(chance.random() < p for _ in range(n)) for p, n in zip(chances, openings, strict=True)]
        found = share_over_days(followed, openings)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        assert 0 <= found.low < found.estimate < found.high <= 1
        held += found.low <= 4.9 / 6.1 <= found.high
    assert held >= 0.88 * 60


@pytest.mark.parametrize("successes", [[4] * 28, [4] * 24 + [3] * 4, [0] * 24 + [1] * 4, [0] * 28, [3] * 28])
def test_a_share_that_few_days_make_or_spoil_has_no_interval(successes: list[int]) -> None:
    found = share_over_days(successes, [4] * 28)
    assert found is not None
    assert (found.estimate, found.low, found.high) == (sum(successes) / 112, None, None)


def test_a_share_stays_between_nothing_and_all() -> None:
    found = share_over_days([5, 1, 0, 7, 1, 9, 0], [6, 5, 5, 8, 9, 9, 1])
    assert found is not None
    assert (found.low, found.high) == (0.0, 1.0)


def test_a_share_of_nothing_is_none() -> None:
    assert share_over_days([0, 0], [0, 0]) is None


def _apart(days: list[tuple[float, int]]) -> tuple[list[float], list[int]]:
    """Return sums and counts; a day without an exam has nothing."""
    return [value if count else 0.0 for value, count in days], [count for _, count in days]
