"""When an exam expires, counted by hand, over a weekend and a change of the clock; the view that stays still."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voorrang.pathways.ageing import AgeingRule, ServiceHours
from worklist.ordering.ageing import expires_at
from worklist.ordering.places import PlaceClass, SortKey
from worklist.ordering.tiers import TierOrder
from worklist.ordering.viewing import stable_view

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
DAYS = AgeingRule(urgent_minutes=240, routine_minutes=1200, service_hours=ServiceHours(opens=time(8), closes=time(18)))
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("arrived", "tier", "expires"),
    [
        ("2026-11-02T10:00", TierOrder.URGENT, "2026-11-02T14:00"),
        # Monday 16:00 at the site: two hours on Monday, two on Tuesday from 08:00.
        ("2026-11-02T15:00", TierOrder.URGENT, "2026-11-03T09:00"),
        # Friday 20:00 counts nothing until Monday; twenty hours end on Tuesday at 18:00.
        ("2026-11-06T19:00", TierOrder.ROUTINE, "2026-11-10T17:00"),
        # Friday 16:00 in summer time; Monday 10:00 in winter time.
        ("2026-10-23T14:00", TierOrder.URGENT, "2026-10-26T09:00"),
    ],
)
def test_cap_runs_in_service_hours_of_the_site(arrived: str, tier: TierOrder, expires: str) -> None:
    assert expires_at(utc(arrived), tier, DAYS, AMSTERDAM) == utc(expires)


def test_without_service_hours_the_clock_counts() -> None:
    assert expires_at(NOON, TierOrder.ROUTINE, AgeingRule(), AMSTERDAM) == NOON + timedelta(days=1)


def place(name: str, harm: float, tier: TierOrder = TierOrder.URGENT) -> SortKey:
    return SortKey(tier, PlaceClass.QUICK, -harm, NOON, name)


def test_rows_of_nearly_equal_harm_keep_the_places_in_which_they_are_shown() -> None:
    live = [place("b", 1.1), place("a", 1.0), place("c", 0.5)]

    assert stable_view(["a", "b", "c"], live) == ["a", "b", "c"]
    assert stable_view(["c", "a", "b"], live) == ["a", "b", "c"]
    assert stable_view([], live) == ["b", "a", "c"]


def test_row_that_is_worth_a_move_moves() -> None:
    assert stable_view(["a", "b"], [place("b", 1.3), place("a", 1.0)]) == ["b", "a"]
    assert stable_view(["a", "b"], [place("b", 1.0), place("a", 1.0, TierOrder.ROUTINE)]) == ["b", "a"]


@given(
    harms=st.lists(st.floats(0, 10), max_size=12),
    shown=st.permutations([str(n) for n in range(14)]),
)
def test_view_holds_each_row_once_and_is_the_same_when_looked_at_again(harms: list[float], shown: list[str]) -> None:
    live = sorted(place(str(n), harm) for n, harm in enumerate(harms))
    view = stable_view(shown, live)

    assert sorted(view) == sorted(key.item_key for key in live)
    assert stable_view(view, live) == view
