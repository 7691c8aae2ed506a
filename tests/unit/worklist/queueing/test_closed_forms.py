"""The forms themselves: known values, second implementations and conservation."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worklist.queueing.closed_forms import (
    Stream,
    behind_unequal_first_class,
    equal_readings,
    erlang_c,
    mean_minutes,
    one_reader,
    priority_waits,
)
from worklist.queueing.markov_chain import mean_wait_behind

weights = st.lists(st.floats(0.05, 1.0), min_size=1, max_size=4)
readers = st.integers(1, 12)
traffics = st.floats(0.05, 0.97)
streams = st.lists(
    st.lists(st.tuples(st.floats(0.05, 1.0), st.floats(1.0, 60.0)), min_size=1, max_size=3), min_size=1, max_size=4
)


def make_classes(described: list[list[tuple[float, float]]], traffic: float) -> list[list[Stream]]:
    """Streams with the weights and minutes described, scaled to a traffic of one reader."""
    load = sum(weight * minutes for streams in described for weight, minutes in streams)
    return [[Stream(weight * traffic / load, minutes) for weight, minutes in streams] for streams in described]


@pytest.mark.parametrize(("number", "offered", "expected"), [(1, 0.8, 0.8), (2, 1.0, 1 / 3), (2, 1.6, 32 / 45)])
def test_erlang_c_by_hand(number: int, offered: float, expected: float) -> None:
    assert erlang_c(number, offered) == pytest.approx(expected)


@given(readers, traffics)
def test_erlang_c_is_the_sum_with_factorials(number: int, traffic: float) -> None:
    offered = number * traffic
    last = offered**number / math.factorial(number) / (1 - traffic)
    below = sum(offered**busy / math.factorial(busy) for busy in range(number))
    assert erlang_c(number, offered) == pytest.approx(last / (below + last))


@given(weights, readers, traffics, st.booleans())
def test_equal_readings_conserve_the_sum_of_waits(parts: list[float], number: int, traffic: float, pre: bool) -> None:
    rates = [part * number * traffic / 10 / sum(parts) for part in parts]
    waits = equal_readings(rates, 10.0, number, preemptive=pre)
    together = sum(rate * wait.until_opened for rate, wait in zip(rates, waits, strict=True)) / sum(rates)
    assert together == pytest.approx(erlang_c(number, number * traffic) * 10 / (number * (1 - traffic)))


@given(streams, traffics)
def test_one_reader_without_interruption_conserves_waits_weighted_by_work(
    described: list[list[tuple[float, float]]], traffic: float
) -> None:
    """Kleinrock's conservation law: Σ ρ·W is that of first come, first served."""
    classes = make_classes(described, traffic)
    waits = one_reader(classes, preemptive=False)
    flat = [stream for streams in classes for stream in streams]
    together = sum(
        stream.rate * stream.minutes * wait.of(stream.minutes)
        for streams, wait in zip(classes, waits, strict=True)
        for stream in streams
    )
    residue = sum(stream.rate * stream.minutes**2 for stream in flat)
    assert together == pytest.approx(traffic * residue / (1 - traffic))


@given(streams, traffics)
def test_one_reader_with_interruption_conserves_the_work_in_the_room(
    described: list[list[tuple[float, float]]], traffic: float
) -> None:
    """Exponential readings: the work left of everything in the room is Σ λ·T·m, the same in any order."""
    classes = make_classes(described, traffic)
    waits = one_reader(classes, preemptive=True)
    work = sum(
        stream.rate * stream.minutes * (wait.of(stream.minutes) + stream.minutes)
        for streams, wait in zip(classes, waits, strict=True)
        for stream in streams
    )
    residue = sum(stream.rate * stream.minutes**2 for streams in classes for stream in streams)
    assert work == pytest.approx(residue / (1 - traffic))


@given(weights, traffics, st.booleans())
def test_both_forms_agree_for_one_reader_and_equal_readings(parts: list[float], traffic: float, pre: bool) -> None:
    classes = make_classes([[(part, 10.0)] for part in parts], traffic)
    equal = equal_readings([streams[0].rate for streams in classes], 10.0, 1, preemptive=pre)
    general = one_reader(classes, preemptive=pre)
    assert [wait.of(10.0) for wait in general] == pytest.approx([wait.of(10.0) for wait in equal])


@pytest.mark.parametrize("number", [1, 2, 3, 7])
@pytest.mark.parametrize(("first", "behind"), [(0.05, 0.1), (0.5, 0.45), (0.3, 0.6)])
def test_chain_is_the_closed_form_when_all_read_at_one_pace(number: int, first: float, behind: float) -> None:
    rates = [first * number / 10, behind * number / 10]
    expected = equal_readings(rates, 10.0, number, preemptive=True)[1].until_opened
    assert mean_wait_behind(number, (rates[0], 10.0), (rates[1], 10.0)) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(("first", "second"), [(5.0, 10.0), (30.0, 4.0)])
def test_chain_is_the_form_of_one_reader_at_two_paces(first: float, second: float) -> None:
    rates = (0.3 / first, 0.5 / second)
    classes = [[Stream(rates[0], first)], [Stream(rates[1], second)]]
    expected = one_reader(classes, preemptive=True)[1].of(second)
    assert mean_wait_behind(1, (rates[0], first), (rates[1], second)) == pytest.approx(expected, rel=1e-9)


def test_chain_that_would_be_too_large_is_not_tried() -> None:
    assert mean_wait_behind(2, (0.19, 10.0), (0.01, 5.0)) is None
    classes = [[Stream(0.19, 10.0)], [Stream(0.01, 5.0)]]
    assert priority_waits(classes, 2, preemptive=True) == (None, "none")


def test_chain_needs_one_pace_behind_the_first_class() -> None:
    assert behind_unequal_first_class([[Stream(0.01, 5.0)], [Stream(0.01, 10.0), Stream(0.01, 9.0)]], 2) is None


def test_mean_reading_time_of_a_class_counts_its_streams_by_rate() -> None:
    assert mean_minutes([Stream(0.3, 10.0), Stream(0.1, 14.0)]) == pytest.approx(11.0)
