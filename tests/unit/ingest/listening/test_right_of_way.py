"""While an urgent sender's instance comes in the answers to others wait: not for long, nor for one that stalls."""

from __future__ import annotations

import mmap

import pytest

from ingest.listening.right_of_way import (
    GIVE_SECONDS,
    HOLD_SECONDS,
    LOOK_SECONDS,
    SLOT_BYTES,
    RightOfWay,
)

ONE, TWO = 1, 2


class Waiting:
    """A clock that goes forward when somebody waits, and does something then."""

    def __init__(self) -> None:
        self.now = 100.0
        self.stops = False

    def seconds(self) -> float:
        """Return the time."""
        return self.now

    def pause(self, seconds: float) -> bool:
        """Wait."""
        self.now += seconds
        return self.stops


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


@pytest.fixture
def ways(waiting: Waiting) -> tuple[RightOfWay, RightOfWay]:
    """Two processes."""
    shared = mmap.mmap(-1, 2 * SLOT_BYTES)
    return RightOfWay(shared, 0, waiting.seconds), RightOfWay(shared, 1, waiting.seconds)


def test_nobody_waits_while_nobody_urgent_sends(ways: tuple[RightOfWay, RightOfWay], waiting: Waiting) -> None:
    assert [way.give(waiting.pause) for way in ways] == [0.0, 0.0]


def test_after_the_last_fragment_it_is_held_for_a_moment(ways: tuple[RightOfWay, RightOfWay], waiting: Waiting) -> None:
    ways[0].take(ONE)
    assert 0 < ways[1].give(waiting.pause) <= HOLD_SECONDS + LOOK_SECONDS
    assert ways[1].give(waiting.pause) == 0.0


@pytest.mark.parametrize("giving", [0, 1])
def test_an_answer_waits_while_fragments_come_at_any_process_but_not_for_ever(
    ways: tuple[RightOfWay, RightOfWay], waiting: Waiting, giving: int
) -> None:
    def one_more_comes(seconds: float) -> bool:
        ways[0].take(ONE)
        return waiting.pause(seconds)

    ways[0].take(ONE)
    assert ways[giving].give(one_more_comes) == pytest.approx(GIVE_SECONDS, abs=LOOK_SECONDS)


def test_one_that_has_ended_takes_nothing_from_another_that_comes_in(
    ways: tuple[RightOfWay, RightOfWay], waiting: Waiting
) -> None:
    for who in (ONE, TWO):
        ways[0].take(who)
    ways[0].leave(TWO)
    assert ways[1].give(waiting.pause) > 0.0


def test_who_stalls_in_the_middle_of_an_instance_keeps_nobody(
    ways: tuple[RightOfWay, RightOfWay], waiting: Waiting
) -> None:
    ways[0].take(ONE)
    waiting.now += HOLD_SECONDS
    assert ways[1].give(waiting.pause) == 0.0


def test_an_association_that_has_ended_keeps_nobody(ways: tuple[RightOfWay, RightOfWay], waiting: Waiting) -> None:
    ways[0].take(ONE)
    ways[0].leave(ONE)
    assert ways[1].give(waiting.pause) == 0.0


def test_a_process_that_was_killed_keeps_nobody_once_it_is_replaced(waiting: Waiting) -> None:
    shared = mmap.mmap(-1, 2 * SLOT_BYTES)
    RightOfWay(shared, 0, waiting.seconds).take(ONE)
    RightOfWay(shared, 0, waiting.seconds)
    assert RightOfWay(shared, 1, waiting.seconds).give(waiting.pause) == 0.0


def test_a_listener_that_stops_waits_no_more(ways: tuple[RightOfWay, RightOfWay], waiting: Waiting) -> None:
    ways[0].take(ONE)
    waiting.stops = True
    assert ways[1].give(waiting.pause) < GIVE_SECONDS
