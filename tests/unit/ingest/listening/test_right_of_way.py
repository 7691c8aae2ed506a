"""While an instance comes from one that goes first, answers to others wait: not for long, nor for one that stalls."""

from __future__ import annotations

import mmap

import pytest

from ingest.listening.right_of_way import (
    BUSY_SECONDS,
    CROWD_OF_EACH,
    GIVE_SECONDS,
    HOLD_SECONDS,
    LOOK_SECONDS,
    MARGIN_BYTES,
    SLOT_BYTES,
    URGENT,
    Claim,
    RightOfWay,
)

ONE, TWO = 1, 2
EMERGENCY = Claim(URGENT, 1)
SCANNER, WARD = Claim(10e6, 2), Claim(20e6, 3)
COPYING = Claim(10e6 + MARGIN_BYTES + 1, 4)


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


def make_crowd(way: RightOfWay, of: int = 2 * CROWD_OF_EACH) -> None:
    """Have so many at full speed who have sent much; one more, and two processes are crowded."""
    for who in range(100, 100 + of):
        way.tell(who, Claim(1e12, who), goes_first=False)


def test_nobody_waits_while_nobody_goes_first(ways: tuple[RightOfWay, RightOfWay], waiting: Waiting) -> None:
    assert [way.give(COPYING, waiting.pause) for way in ways] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("first", "other", "waits"),
    [
        (EMERGENCY, SCANNER, True),
        (EMERGENCY, COPYING, True),
        (SCANNER, COPYING, True),
        (SCANNER, WARD, False),
        (WARD, SCANNER, False),
        (WARD, COPYING, False),
        (COPYING, SCANNER, False),
        (EMERGENCY, Claim(URGENT, 9), False),
        (SCANNER, Claim(900e6, SCANNER.sender), False),
        (SCANNER, Claim(SCANNER.recent_bytes + MARGIN_BYTES, 9), False),
    ],
)
def test_who_goes_first_is_who_is_urgent_and_then_who_has_sent_less_by_a_margin(
    ways: tuple[RightOfWay, RightOfWay], waiting: Waiting, first: Claim, other: Claim, waits: bool
) -> None:
    make_crowd(ways[1])
    ways[0].tell(ONE, first)
    assert [way.give(other, waiting.pause) > 0.0 for way in ways] == [waits, False]


@pytest.mark.parametrize(("of", "waits"), [(2 * CROWD_OF_EACH - 1, False), (2 * CROWD_OF_EACH, True)])
def test_who_has_sent_more_waits_in_a_crowd_only(
    ways: tuple[RightOfWay, RightOfWay], waiting: Waiting, of: int, waits: bool
) -> None:
    make_crowd(ways[1], of)
    ways[0].tell(ONE, SCANNER)
    assert (ways[1].give(COPYING, waiting.pause) > 0.0) is waits


def test_who_waits_is_of_the_crowd_and_who_was_busy_a_while_ago_is_not(
    ways: tuple[RightOfWay, RightOfWay], waiting: Waiting
) -> None:
    make_crowd(ways[1])
    waiting.now += GIVE_SECONDS
    ways[0].tell(ONE, SCANNER)
    assert ways[1].give(COPYING, waiting.pause) > 0.0
    waiting.now += BUSY_SECONDS
    ways[0].tell(ONE, SCANNER)
    assert ways[1].give(COPYING, waiting.pause) == 0.0
    ways[1].tell(100, Claim(1e12, 100), goes_first=False)  # of that process, all but this one have fallen silent
    assert ways[1].give(COPYING, waiting.pause) == 0.0


def test_who_is_busy_and_brings_little_goes_before_nobody(
    ways: tuple[RightOfWay, RightOfWay], waiting: Waiting
) -> None:
    make_crowd(ways[1])
    ways[0].tell(ONE, EMERGENCY, goes_first=False)
    assert ways[1].give(COPYING, waiting.pause) == 0.0


@pytest.mark.parametrize("first", [ONE, TWO])
def test_of_two_that_are_urgent_the_one_is_told_of_who_has_it_longer(
    ways: tuple[RightOfWay, RightOfWay], waiting: Waiting, first: int
) -> None:
    ways[0].tell(first, EMERGENCY)
    waiting.now += HOLD_SECONDS / 2
    ways[0].tell(ONE + TWO - first, Claim(URGENT, 9))
    waiting.now += HOLD_SECONDS * 0.7
    assert ways[1].give(WARD, waiting.pause) > 0.0


@pytest.mark.parametrize("order", [(SCANNER, WARD, EMERGENCY), (EMERGENCY, WARD, SCANNER)])
def test_of_several_in_one_process_the_one_who_goes_before_all_is_told_of(
    ways: tuple[RightOfWay, RightOfWay], waiting: Waiting, order: tuple[Claim, ...]
) -> None:
    for who, claim in enumerate(order):
        ways[0].tell(who, claim)
    assert ways[1].give(SCANNER, waiting.pause) > 0.0


def test_the_next_one_is_told_of_when_the_first_has_stalled(
    ways: tuple[RightOfWay, RightOfWay], waiting: Waiting
) -> None:
    ways[0].tell(ONE, EMERGENCY)
    waiting.now += HOLD_SECONDS
    ways[0].tell(TWO, SCANNER)
    make_crowd(ways[1])
    assert ways[1].give(WARD, waiting.pause) == 0.0
    assert ways[1].give(COPYING, waiting.pause) > 0.0


def test_after_the_last_fragment_it_is_held_for_a_moment(ways: tuple[RightOfWay, RightOfWay], waiting: Waiting) -> None:
    ways[0].tell(ONE, EMERGENCY)
    assert 0 < ways[1].give(WARD, waiting.pause) <= HOLD_SECONDS + LOOK_SECONDS
    assert ways[1].give(WARD, waiting.pause) == 0.0


@pytest.mark.parametrize("giving", [0, 1])
def test_an_answer_waits_while_fragments_come_at_any_process_but_not_for_ever(
    ways: tuple[RightOfWay, RightOfWay], waiting: Waiting, giving: int
) -> None:
    def one_more_comes(seconds: float) -> bool:
        ways[0].tell(ONE, EMERGENCY)
        return waiting.pause(seconds)

    ways[0].tell(ONE, EMERGENCY)
    assert ways[giving].give(WARD, one_more_comes) == pytest.approx(GIVE_SECONDS, abs=1e-9)


def test_one_that_has_ended_takes_nothing_from_another_that_comes_in(
    ways: tuple[RightOfWay, RightOfWay], waiting: Waiting
) -> None:
    for who in (ONE, TWO):
        ways[0].tell(who, EMERGENCY)
    ways[0].leave(TWO)
    assert ways[1].give(WARD, waiting.pause) > 0.0


def test_who_stalls_in_the_middle_of_an_instance_keeps_nobody(
    ways: tuple[RightOfWay, RightOfWay], waiting: Waiting
) -> None:
    ways[0].tell(ONE, EMERGENCY)
    waiting.now += HOLD_SECONDS
    assert ways[1].give(WARD, waiting.pause) == 0.0


def test_an_association_that_has_ended_keeps_nobody(ways: tuple[RightOfWay, RightOfWay], waiting: Waiting) -> None:
    ways[0].tell(ONE, EMERGENCY)
    ways[0].leave(ONE)
    assert ways[1].give(WARD, waiting.pause) == 0.0


def test_a_process_that_was_killed_keeps_nobody_once_it_is_replaced(waiting: Waiting) -> None:
    shared = mmap.mmap(-1, 2 * SLOT_BYTES)
    RightOfWay(shared, 0, waiting.seconds).tell(ONE, EMERGENCY)
    RightOfWay(shared, 0, waiting.seconds)
    assert RightOfWay(shared, 1, waiting.seconds).give(WARD, waiting.pause) == 0.0


def test_a_listener_that_stops_waits_no_more(ways: tuple[RightOfWay, RightOfWay], waiting: Waiting) -> None:
    ways[0].tell(ONE, EMERGENCY)
    waiting.stops = True
    assert ways[1].give(WARD, waiting.pause) < GIVE_SECONDS
