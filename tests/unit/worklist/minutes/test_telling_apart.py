"""Which opening of an exam was its reading, from openings and closings told in any order."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.worklist.minutes.reading_days import at, minute
from voorrang.events.reading_records import WhyClosed
from worklist.minutes.facts import Readings
from worklist.minutes.telling_apart import Closed, Opened, readings

NOW = at(600)


def opened(number: int, reader: str, key: str, minutes: float) -> Opened:
    return Opened(at(minutes), number, key, reader, "next")


def closed(number: int, minutes: float, why: WhyClosed = "reported") -> Closed:
    return Closed(at(minutes), number, why)


def read_of(found: Readings) -> list[tuple[str, str, float, float]]:
    return [(one.reader, one.item_key, minute(one.opened_at), minute(one.closed_at)) for one in found.openings]


def held_of(found: Readings) -> list[tuple[str, str, float, float]]:
    return [(one.reader, one.item_key, minute(one.opened_at), minute(one.closed_at)) for one in found.held]


def test_what_was_handed_back_is_read_by_the_next() -> None:
    found = readings(
        [opened(1, "anna", "A", 0), opened(2, "bram", "A", 9)],
        [closed(1, 4, "handed_back"), closed(2, 15)],
        {"A"},
        NOW,
    )
    assert read_of(found) == [("bram", "A", 9, 15)]
    assert held_of(found) == [("anna", "A", 0, 4)]


def test_a_claim_that_was_over_before_the_report_came_was_the_reading() -> None:
    found = readings([opened(1, "anna", "A", 0)], [closed(1, 30, "expired")], {"A"}, NOW)
    assert read_of(found) == [("anna", "A", 0, 30)]


def test_what_is_not_reported_or_done_was_only_held() -> None:
    found = readings(
        [opened(1, "anna", "A", 0), opened(2, "bram", "B", 0)],
        [closed(1, 8, "withdrawn"), closed(2, 30, "expired")],
        set(),
        NOW,
    )
    assert read_of(found) == []
    assert held_of(found) == [("anna", "A", 0, 8), ("bram", "B", 0, 30)]


def test_what_was_withdrawn_while_it_was_open_is_not_read_though_it_was_reported_in_the_end() -> None:
    found = readings([opened(1, "anna", "A", 0)], [closed(1, 8, "withdrawn")], {"A"}, NOW)
    assert (read_of(found), held_of(found)) == ([], [("anna", "A", 0, 8)])


def test_a_reading_ends_when_its_reader_opens_the_next_though_its_report_comes_later() -> None:
    found = readings(
        [opened(1, "anna", "A", 0), opened(2, "anna", "B", 12)], [closed(1, 90), closed(2, 20)], {"A", "B"}, NOW
    )
    assert read_of(found) == [("anna", "A", 0, 12), ("anna", "B", 12, 20)]


def test_a_reading_whose_end_nobody_wrote_lasts_as_long_as_a_claim() -> None:
    found = readings([opened(1, "anna", "A", 0)], [], {"A"}, NOW)
    assert read_of(found) == [("anna", "A", 0, 30)]


def test_a_report_that_states_an_earlier_time_than_the_opening_makes_a_reading_of_no_length() -> None:
    found = readings([opened(1, "anna", "A", 5)], [closed(1, 3)], {"A"}, NOW)
    assert read_of(found) == [("anna", "A", 5, 5)]


def test_what_is_open_is_held_until_now() -> None:
    found = readings([opened(1, "anna", "A", 590)], [], set(), NOW)
    assert held_of(found) == [("anna", "A", 590, 600)]


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.randoms(use_true_random=False))
def test_told_twice_and_in_any_order_it_is_the_same_and_no_reader_reads_two_at_once(chance: random.Random) -> None:
    keys = ["A", "B", "C", "D"]
    opens = [
        opened(n, chance.choice(["anna", "bram"]), chance.choice(keys), chance.randint(0, 90)) for n in range(1, 9)
    ]
    whys: list[WhyClosed] = ["reported", "by_hand", "handed_back", "expired", "withdrawn"]
    closes = [closed(one.number, minute(one.opened_at) + chance.randint(0, 40), chance.choice(whys)) for one in opens]
    told_opens, told_closes = opens + chance.choices(opens, k=4), closes + chance.choices(closes, k=4)
    chance.shuffle(told_opens)
    chance.shuffle(told_closes)
    found = readings(opens, closes, {"A", "C"}, NOW)

    assert readings(told_opens, told_closes, {"A", "C"}, NOW) == found
    assert len(found.openings) + len(found.held) == len(opens)
    assert len({one.item_key for one in found.openings}) == len(found.openings)
    for reader in ("anna", "bram"):
        spans = [(one.opened_at, one.number, one.closed_at, one.reader) for one in found.openings]
        spans += [(one.opened_at, one.number, one.closed_at, one.reader) for one in found.held]
        mine = sorted(span for span in spans if span[3] == reader)
        assert all(before[2] <= following[0] for before, following in pairwise(mine))
