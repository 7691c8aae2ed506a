"""The order, by hand-counted cases and by properties."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worklist.plain_orders import by_arrival
from voorrang.events.records import Tier
from worklist.ordering.places import Lift, PlaceClass, SortKey, sort_key
from worklist.ordering.tiers import TierOrder, tier_order

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
BLEED = Lift("urgent", 1.0, 8.0, 1.0, 15)
NODULE = Lift("routine", 0.01, 12.0, 1.0, 1440)
NODULE_NONE_RIGHT = Lift("routine", 0.01, 12.0, 0.0, 1440)
TIERS: tuple[Tier, ...] = ("stat", "urgent", "routine")

tiers = st.sampled_from(TIERS)
lifts = st.lists(
    st.builds(
        Lift,
        tiers,
        st.floats(0, 100, allow_nan=False),
        st.floats(0.1, 60, allow_nan=False),
        st.floats(0, 1),
        st.sampled_from([None, 15.0, 60.0, 61.0, 1440.0]),
    ),
    max_size=4,
)
times = st.integers(0, 20).map(lambda minutes: NOON + timedelta(minutes=minutes))
Item = tuple[Tier, list[Lift], datetime, str]
items = st.lists(
    st.tuples(tiers, lifts, times, st.integers(0, 10_000).map(lambda n: f"1.2.{n}")),
    max_size=20,
    unique_by=lambda item: item[3],
)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def order(described: list[Item]) -> list[str]:
    return [key.item_key for key in sorted(sort_key(*item) for item in described)]


def test_order_of_a_hand_counted_list() -> None:
    described: list[Item] = [
        ("routine", [], at(0), "first_plain"),
        ("routine", [NODULE], at(9), "nodule"),
        ("routine", [BLEED], at(8), "bleed"),
        ("urgent", [], at(7), "urgent_plain"),
        ("stat", [], at(6), "stat_plain"),
        ("stat", [BLEED], at(10), "stat_bleed"),
        ("routine", [], at(1), "second_plain"),
        ("urgent", [NODULE], at(11), "urgent_nodule"),
    ]
    # STAT: harm 1/8 before 0. Urgent: the lifted bleed 1/8, then 0.01/12, then 0. Routine: nodule, then by arrival.
    assert order(described) == [
        "stat_bleed",
        "stat_plain",
        "bleed",
        "urgent_nodule",
        "urgent_plain",
        "nodule",
        "first_plain",
        "second_plain",
    ]


def test_harm_is_counted_per_minute_of_reading() -> None:
    long_reading = sort_key("routine", [Lift("urgent", 2.0, 20.0, 1.0)], at(0), "long")
    short_reading = sort_key("routine", [Lift("urgent", 1.0, 4.0, 1.0)], at(5), "short")

    assert (-long_reading.negative_harm_rate, -short_reading.negative_harm_rate) == (0.1, 0.25)
    assert short_reading < long_reading


@pytest.mark.parametrize(
    ("human", "lift_to", "expected"),
    [
        ("routine", "routine", TierOrder.ROUTINE),
        ("routine", "urgent", TierOrder.URGENT),
        ("routine", "stat", TierOrder.URGENT),
        ("urgent", "routine", TierOrder.URGENT),
        ("urgent", "urgent", TierOrder.URGENT),
        ("urgent", "stat", TierOrder.URGENT),
        ("stat", "routine", TierOrder.STAT),
        ("stat", "urgent", TierOrder.STAT),
        ("stat", "stat", TierOrder.STAT),
    ],
)
def test_tier_of_every_pair_of_human_tier_and_lift(human: Tier, lift_to: Tier, expected: TierOrder) -> None:
    assert sort_key(human, [Lift(lift_to, 1.0, 8.0)], NOON, "1.2.3").tier is expected


def test_the_highest_of_several_lifts_counts_for_tier_and_harm() -> None:
    key = sort_key("routine", [NODULE, BLEED, NODULE], NOON, "1.2.3")

    assert key == SortKey(TierOrder.URGENT, PlaceClass.QUICK, -0.125, NOON, "1.2.3")


def test_equal_harm_goes_by_arrival_then_by_key() -> None:
    described: list[Item] = [("routine", [], at(2), "a"), ("routine", [], at(1), "c"), ("routine", [], at(1), "b")]

    assert order(described) == ["b", "c", "a"]


@given(ai=lifts, arrived=times, other=times)
def test_ai_never_stands_above_a_stat_of_people(ai: list[Lift], arrived: datetime, other: datetime) -> None:
    lifted = sort_key("urgent", ai, arrived, "lifted")
    stat = sort_key("stat", [], other, "stat")

    assert stat < lifted


@given(human=tiers, ai=lifts, arrived=times)
def test_ai_only_raises(human: Tier, ai: list[Lift], arrived: datetime) -> None:
    assert sort_key(human, ai, arrived, "1.2.3") <= by_arrival(human, arrived, "1.2.3")


@given(human=tiers, ai=lifts, more=lifts, arrived=times)
def test_a_further_flag_never_lowers(human: Tier, ai: list[Lift], more: list[Lift], arrived: datetime) -> None:
    assert sort_key(human, ai + more, arrived, "1.2.3") <= sort_key(human, ai, arrived, "1.2.3")


@given(human=tiers, ai=lifts, arrived=times)
def test_no_item_is_lifted_beyond_what_was_activated(human: Tier, ai: list[Lift], arrived: datetime) -> None:
    allowed = min([tier_order(human), *(tier_order(lift.lift_to) for lift in ai)])

    assert sort_key(human, ai, arrived, "1.2.3").tier >= allowed


@given(ai=lifts, arrived=times)
def test_only_people_make_a_stat(ai: list[Lift], arrived: datetime) -> None:
    for human in ("urgent", "routine"):
        assert sort_key(human, ai, arrived, "1.2.3").tier is not TierOrder.STAT


@given(described=items, seed=st.randoms())
def test_order_does_not_depend_on_the_order_of_the_input(described: list[Item], seed: object) -> None:
    shuffled = list(described)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    turned: list[Item] = [(tier, ai[::-1], arrived, key) for tier, ai, arrived, key in shuffled]

    assert order(described) == order(shuffled) == order(turned)


@given(described=items)
def test_no_two_items_share_a_place(described: list[Item]) -> None:
    keys = [sort_key(*item) for item in described]

    assert len(set(keys)) == len(keys)


@given(described=items)
def test_people_alone_give_the_order_when_nothing_is_flagged(described: list[Item]) -> None:
    plain: list[Item] = [(tier, [], arrived, key) for tier, _, arrived, key in described]
    by_people = sorted(plain, key=lambda item: (TIERS.index(item[0]), item[2], item[3]))

    assert order(plain) == [item[3] for item in by_people]


@given(described=items)
def test_a_lift_never_changes_the_order_of_the_others(described: list[Item]) -> None:
    if not described:
        return
    chosen = described[0][3]
    without: list[Item] = [(tier, [] if key == chosen else ai, arrived, key) for tier, ai, arrived, key in described]

    assert [key for key in order(described) if key != chosen] == [key for key in order(without) if key != chosen]


@given(human=tiers)
def test_tier_and_its_place_are_one(human: Tier) -> None:
    assert tier_order(human).tier == human


def test_flag_of_which_nothing_was_counted_goes_after_counted_ones_and_before_what_nothing_speaks_for() -> None:
    uncounted = sort_key("routine", [Lift("routine", 100.0, 1.0)], at(9), "uncounted")
    none_right = sort_key("routine", [NODULE_NONE_RIGHT], at(10), "none_right")
    counted = sort_key("routine", [Lift("routine", 0.001, 60.0, 0.001, 1440)], at(11), "counted")
    plain = sort_key("routine", [], at(0), "plain")

    assert sorted([plain, none_right, uncounted, counted]) == [counted, uncounted, none_right, plain]


@pytest.mark.parametrize(("target", "is_quick"), [(None, False), (15.0, True), (60.0, True), (60.1, False)])
def test_flag_is_quick_when_its_activated_target_is_within_the_hour(target: float | None, is_quick: bool) -> None:
    key = sort_key("routine", [Lift("urgent", 1.0, 8.0, 1.0, target)], NOON, "1.2.3")
    assert (key.place_class is PlaceClass.QUICK) is is_quick


def test_expired_item_goes_by_arrival_above_its_tier_and_below_what_must_be_read_within_the_hour() -> None:
    fresh_harm = sort_key("urgent", [Lift("urgent", 9.0, 1.0, 1.0, 61)], at(0), "harm")
    old = sort_key("urgent", [], at(1), "old", expired=True)
    older_flag = sort_key("urgent", [NODULE], at(0), "older", expired=True)
    bleed = sort_key("routine", [BLEED], at(9), "bleed")

    assert sorted([fresh_harm, old, older_flag, bleed]) == [bleed, older_flag, old, fresh_harm]


@given(human=tiers, ai=lifts, arrived=times)
def test_expiring_lowers_no_item(human: Tier, ai: list[Lift], arrived: datetime) -> None:
    assert sort_key(human, ai, arrived, "a", expired=True) <= sort_key(human, ai, arrived, "a")


@given(human=tiers, ai=lifts, other=lifts, arrived=times)
def test_further_positive_never_passes_one_of_higher_harm_per_minute_and_no_later_target(
    human: Tier, ai: list[Lift], other: list[Lift], arrived: datetime
) -> None:
    high, low = sort_key(human, ai, arrived, "high"), sort_key(human, other, arrived, "low")
    if (high.tier, high.place_class) <= (
        low.tier,
        low.place_class,
    ) and high.negative_harm_rate < low.negative_harm_rate:
        assert high < low
