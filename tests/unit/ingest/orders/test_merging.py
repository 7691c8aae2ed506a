"""What many messages say of one order becomes one state, in whatever order they come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ingest.orders.facts import OrderFact, Person, Rank
from ingest.orders.merging import Said, merged, report_version, said_by

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ACTIONS = st.sampled_from(["placed", "changed", "cancelled"])
ORDERS = st.builds(
    OrderFact,
    action=ACTIONS,
    accession_number=st.just("A-1"),
    patient=st.just(Person(patient_id="T-1")),
    urgency=st.sampled_from([None, "stat", "urgent", "routine"]),
    reading_group=st.sampled_from(["", "NRS", "CHEST"]),
    procedure_code=st.sampled_from(["", "CTHEAD"]),
    ordered_at=st.sampled_from([None, NOON, NOON - timedelta(hours=1)]),
)


def state(messages: list[tuple[datetime, OrderFact]]) -> dict[str, Any]:
    facts: dict[str, Said] = {}
    for at, order in messages:
        facts = merged(facts, said_by(order, "p_1", "", ""), at, order.rank)
    return {name: said.value for name, said in facts.items()}


@given(orders=st.lists(ORDERS, min_size=1, max_size=6), data=st.data())
def test_messages_of_different_times_commute(orders: list[OrderFact], data: st.DataObject) -> None:
    dated = [(NOON + timedelta(minutes=minute), order) for minute, order in enumerate(orders)]
    shuffled = data.draw(st.permutations(dated))

    assert state(shuffled) == state(dated) == state([*shuffled, *dated])


@given(orders=st.lists(ORDERS, min_size=1, max_size=3, unique_by=lambda order: order.action), data=st.data())
def test_messages_of_one_minute_commute_when_they_do_different_things(
    orders: list[OrderFact], data: st.DataObject
) -> None:
    dated = [(NOON, order) for order in sorted(orders, key=lambda order: order.rank)]

    assert state(data.draw(st.permutations(dated))) == state(dated)


def test_of_one_minute_and_one_kind_the_last_that_came_counts() -> None:
    first, second = (
        OrderFact(action="changed", accession_number="A", patient=Person(patient_id="1"), urgency=u)
        for u in ("routine", "stat")
    )

    assert state([(NOON, first), (NOON, second)])["urgency"] == "stat"
    assert state([(NOON, second), (NOON, first)])["urgency"] == "routine"


def test_cancelling_wins_within_its_minute_and_not_over_a_later_word() -> None:
    person = Person(patient_id="1")
    place, change, cancel = (
        OrderFact.model_validate({"action": action, "accession_number": "A", "patient": person})
        for action in ("placed", "changed", "cancelled")
    )
    assert [place.rank, change.rank, cancel.rank] == [Rank.PLACED, Rank.CHANGED, Rank.CANCELLED]
    later = NOON + timedelta(seconds=1)

    assert state([(NOON, cancel), (NOON, place)])["is_cancelled"] is True
    assert state([(later, change), (NOON, cancel)])["is_cancelled"] is False


def test_what_a_message_leaves_out_stays() -> None:
    person = Person(patient_id="1")
    first = OrderFact(action="placed", accession_number="A", patient=person, urgency="stat", reading_group="NRS")
    second = OrderFact(action="changed", accession_number="A", patient=person, urgency="routine")

    assert state([(NOON, first), (NOON + timedelta(minutes=1), second)]) == {
        "is_cancelled": False,
        "patient_key": "p_1",
        "urgency": "routine",
        "reading_group": "NRS",
    }


@given(seconds=st.lists(st.integers(0, 10**8), min_size=2, max_size=2, unique=True))
def test_later_report_has_the_greater_version_whatever_its_status(seconds: list[int]) -> None:
    early, late = sorted(seconds)
    for taken in (0, 5, 1000):
        assert report_version(NOON + timedelta(seconds=early), "corrected", taken) < report_version(
            NOON + timedelta(seconds=late), "preliminary", 0
        )


def test_of_one_second_the_later_status_has_the_greater_version() -> None:
    versions = [
        report_version(NOON, status, taken)
        for status, taken in [("preliminary", 0), ("preliminary", 1), ("final", 0), ("final", 3), ("corrected", 0)]
    ]

    assert versions == sorted(set(versions))
    assert versions[-1] < 2**53  # a JSON number that every reader holds exactly
