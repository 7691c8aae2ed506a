from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ingest.arrivals import Arrivals

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SERIES = ("1.2.3", "stroke")


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_receive_times_of_the_past_are_told_as_they_are() -> None:
    came = Arrivals().arrival(SERIES, 12, at(0), at(10), at(20))
    assert (came.began_at, came.last_at, came.forced) == (at(0), at(10), False)


def test_what_lies_in_the_future_came_when_it_was_first_seen() -> None:
    arrivals = Arrivals()
    for now in (-3590, -3588, -3500):
        came = arrivals.arrival(SERIES, 12, at(0), at(10), at(now))
        assert (came.began_at, came.last_at) == (at(-3590), at(-3590))


def test_one_instance_more_came_when_it_was_seen_though_the_last_time_stays_in_the_future() -> None:
    arrivals = Arrivals()
    arrivals.arrival(SERIES, 12, at(0), at(10), at(-3590))
    came = arrivals.arrival(SERIES, 13, at(0), at(10), at(-3580))
    assert (came.began_at, came.last_at) == (at(-3590), at(-3580))


def test_a_clock_that_goes_back_a_second_time_has_no_sight_in_the_future() -> None:
    arrivals = Arrivals()
    arrivals.arrival(SERIES, 12, at(0), at(10), at(-60))
    assert arrivals.arrival(SERIES, 12, at(0), at(10), at(-3600)).last_at == at(-3600)
    assert arrivals.arrival(SERIES, 12, at(0), at(10), at(-3590)).last_at == at(-3600)


def test_two_claims_on_one_series_are_seen_apart() -> None:
    arrivals = Arrivals()
    arrivals.arrival(("1.2.3", "stroke"), 12, at(0), at(10), at(-100))
    assert arrivals.arrival(("1.2.3", "lung-nodule"), 12, at(0), at(10), at(-50)).last_at == at(-50)


def test_a_sight_is_kept_for_as_long_as_it_is_asked_for() -> None:
    arrivals = Arrivals()
    arrivals.arrival(SERIES, 12, at(0), at(10), at(-100))
    arrivals.forget_the_rest()
    assert arrivals.arrival(SERIES, 12, at(0), at(10), at(-90)).last_at == at(-100)
    arrivals.forget_the_rest()
    arrivals.forget_the_rest()
    assert arrivals.arrival(SERIES, 12, at(0), at(10), at(-80)).last_at == at(-80)
