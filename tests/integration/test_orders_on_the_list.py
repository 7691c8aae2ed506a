"""Orders and reports on the list: tiers by people, an order with its studies, what closes and what waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from monitoring.counting import handlers as counters
from tests.builders import make_runtime
from tests.integration.worklist_world import (
    KEYS,
    NOON,
    World,
    make_answer,
    make_confirmation,
    make_event,
    make_study,
    serving,
    uid,
    worklist_world,
)
from voorrang.events.envelope import Event
from voorrang.events.records import (
    OrderCancelled,
    OrderChanged,
    OrderPlaced,
    OrderRecord,
    PatientChanged,
    PatientMerged,
    Record,
    ReportCorrected,
    ReportFinalized,
    ReportPreliminary,
    ReportRecord,
    SeriesRejected,
)
from worklist.orders.store import surviving_patient
from worklist.orders.waiting import count_orders, unmatched
from worklist.timeline import timeline, waits

pytestmark = pytest.mark.integration

ORDER = KEYS.order_key("HOSP", "ACC1")
OTHER = KEYS.order_key("HOSP", "ACC2")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with worklist_world(tmp_path) as made:
        yield made


def about(record: Record, subject: str, order_key: str = "", patient_key: str = "p_1") -> Event[Any]:
    """Return an event about an order, a report or a patient."""
    event = make_event(record, order_key=order_key)
    return Event(
        **{name: getattr(event, name) for name in event.__slots__} | {"subject": subject, "patient_key": patient_key}
    )


def tell(world: World, record: Record, subject: str = ORDER, order_key: str = ORDER, **changed: str) -> None:
    event = about(record, subject, order_key, **changed)
    world.handle_by_type[event.type](event)


def order(kind: type[OrderRecord] = OrderPlaced, version: int = 1, **changed: Any) -> OrderRecord:
    values: dict[str, Any] = {"urgency": "routine", "ordered_at": NOON, "stated_at": NOON}
    return kind(order_version=version, **(values | changed))


def report(kind: type[ReportRecord] = ReportFinalized, version: int = 1, **changed: Any) -> ReportRecord:
    values: dict[str, Any] = {"content_digest": "c" * 64, "stated_at": NOON + timedelta(minutes=20)}
    return kind(report_version=version, **(values | changed))


def reasons(world: World) -> list[tuple[str, str]]:
    with world.database.read() as connection:
        return [(one.reason.value, one.key) for one in unmatched(connection)]


class TestTiers:
    def test_orders_set_the_tier_and_arrival_decides_inside_it(self, world: World) -> None:
        keys = {n: KEYS.order_key("HOSP", f"ACC{n}") for n in range(1, 5)}
        for number, urgency in enumerate(["routine", "urgent", "stat", "urgent"], 1):
            world.tell(make_study(number), order_key=keys[number])
            tell(world, order(urgency=urgency), keys[number], keys[number])

        assert world.order() == [3, 2, 4, 1]
        assert [row.tier for row in world.rows()] == ["stat", "urgent", "urgent", "routine"]

    def test_changed_order_moves_its_item_and_an_older_word_moves_it_not_back(self, world: World) -> None:
        world.tell(make_study(1), order_key=ORDER)
        tell(world, order(OrderChanged, 3, urgency="stat", reading_group="NEURO"))
        tell(world, order(OrderPlaced, 1, urgency="routine"))

        (row,) = world.rows()
        assert (row.tier, row.order.reading_group if row.order else None) == ("stat", "NEURO")

    def test_a_flag_stays_below_the_stat_of_a_person(self, world: World) -> None:
        world.activate()
        world.tell(make_study(1), make_answer(1, 0.9))
        world.tell(make_study(2), order_key=ORDER)
        tell(world, order(urgency="stat"))

        assert world.order() == [2, 1]


class TestMatching:
    @pytest.mark.parametrize("order_first", [True, False])
    def test_by_its_number_whichever_comes_first(self, world: World, order_first: bool) -> None:
        whose = KEYS.patient_key("", uid(1))
        if order_first:
            tell(world, order(urgency="urgent"), patient_key=whose)
            assert reasons(world) == [("order_without_images", ORDER)]
        world.tell(make_study(1), order_key=ORDER)
        if not order_first:
            tell(world, order(urgency="urgent"), patient_key=whose)

        (row,) = world.rows()
        assert (row.item_key, row.tier) == (ORDER, "urgent")
        assert reasons(world) == []

    def test_a_study_without_a_number_becomes_the_order_that_names_it(self, world: World) -> None:
        world.tell(make_study(1), make_study(2))
        tell(world, order(urgency="stat", study_instance_uids=(uid(2),)))

        assert [(row.item_key, row.tier) for row in world.rows()] == [(ORDER, "stat"), (uid(1), "routine")]

    def test_its_own_order_goes_before_one_that_names_it(self, world: World) -> None:
        tell(world, order(urgency="stat", study_instance_uids=(uid(1),)))
        world.tell(make_study(1), order_key=OTHER)
        assert world.row(1).item_key == ORDER

        tell(world, order(urgency="urgent"), OTHER, OTHER)
        assert (world.row(1).item_key, world.row(1).tier) == (OTHER, "urgent")

    def test_an_order_of_another_patient_waits_for_a_person(self, world: World) -> None:
        world.tell(make_study(1), order_key=ORDER)
        tell(world, order(), patient_key="p_somebody_else")

        assert reasons(world) == [("patients_of_order_and_study_differ", ORDER)]


class TestReports:
    def test_final_report_closes_the_item_and_says_when(self, world: World) -> None:
        world.tell(make_study(1), order_key=ORDER)
        tell(world, order())
        tell(world, report(ReportPreliminary, 1))
        assert len(world.rows()) == 1
        tell(world, report(ReportFinalized, 2))
        tell(world, report(ReportCorrected, 3, stated_at=NOON + timedelta(hours=2)))
        world.tell(make_study(1, version=2), order_key=ORDER)  # its images are sent once more

        assert world.rows() == []
        with serving(world) as server:
            (settled,) = httpx.get(f"{server.address}/api/settled").json()
        assert (settled["standing"], settled["at"]) == ("reported", "2026-11-02T12:20:00Z")
        assert settled["study_instance_uids"] == [uid(1)]
        last = world.announced("worklist-item-ranked")[-1].data
        assert (last.standing, last.rank, last.settled_at) == ("reported", 0, NOON + timedelta(minutes=20))

    def test_report_of_an_unknown_number_finds_its_study_by_name(self, world: World) -> None:
        world.tell(make_study(1))
        tell(world, report(study_instance_uids=(uid(1),)), OTHER, OTHER)

        assert world.rows() == []

    def test_report_of_another_known_order_does_not_close_the_study_that_it_names(self, world: World) -> None:
        world.tell(make_study(1), order_key=ORDER)
        tell(world, order())
        tell(world, report(study_instance_uids=(uid(1),)), OTHER, OTHER)
        assert world.rows() == []  # nothing is known of the other order yet

        tell(world, order(), OTHER, OTHER)
        assert [row.item_key for row in world.rows()] == [ORDER]

    def test_report_before_anything_waits_and_then_closes(self, world: World) -> None:
        tell(world, report())
        assert reasons(world) == [("report_without_order_or_images", ORDER)]

        world.tell(make_study(1, minutes=5), order_key=ORDER)
        assert world.rows() == []
        assert reasons(world) == []

    def test_images_that_come_after_the_report_are_shown_to_a_person(self, world: World) -> None:
        tell(world, report())
        world.tell(make_study(1, minutes=30), order_key=ORDER)

        assert reasons(world) == [("images_after_report", ORDER)]

    def test_timeline_says_that_it_was_reported(self, world: World) -> None:
        world.tell(make_study(1), order_key=ORDER)
        tell(world, report())

        with world.database.read() as connection:
            assert [moment.what for moment in timeline(connection, uid(1))] == ["ranked", "reported"]
            assert waits(connection, uid(1)) == ["nothing: reported"]


class TestWithdrawal:
    def test_cancelled_order_withdraws_until_it_stands_again(self, world: World) -> None:
        world.tell(make_study(1), order_key=ORDER)
        tell(world, order())
        tell(world, order(OrderCancelled, 2))
        assert world.rows() == []
        with world.database.read() as connection:
            assert waits(connection, uid(1)) == ["nothing: withdrawn, order cancelled"]

        tell(world, order(OrderChanged, 3, urgency="urgent"))
        assert [row.tier for row in world.rows()] == ["urgent"]

    def test_study_of_which_no_image_stands_is_withdrawn_until_others_come(self, world: World) -> None:
        gone = make_study(1, version=2).model_copy(update={"withdrawn": "wrong_worklist_entry", "withdrawn_at": NOON})
        world.tell(make_study(1), gone)
        assert world.rows() == []

        world.tell(make_study(1, version=3))
        assert len(world.rows()) == 1

    @pytest.mark.parametrize("number", [1, 3])
    @pytest.mark.parametrize("gone", [{"withdrawn": "wrong_worklist_entry", "withdrawn_at": NOON}, {"prior": True}])
    def test_item_is_whose_the_study_is_that_stands(self, gone: dict[str, Any], number: int, world: World) -> None:
        world.name(number, "Other^Patient")
        world.name(2)
        first = make_study(number, version=2, minutes=0).model_copy(update=gone)
        world.tell(make_study(number, minutes=0), first, make_study(2), order_key=ORDER)

        row = world.row(2)
        assert (row.patient, row.accession_number) == ("Testnaam^Alida", "ACC000002")
        assert row.study_instance_uids == (uid(2), uid(number))
        assert world.announced("worklist-item-ranked")[-1].patient_key == KEYS.patient_key("", uid(2))

    def test_rejected_series_has_no_answer_until_a_later_revision(self, world: World) -> None:
        world.activate()
        world.tell(make_study(1), make_answer(1, 0.9))
        assert world.row(1).tier == "urgent"

        rejected = {"study_instance_uid": uid(1), "series_instance_uid": uid(1, 1), "rejected_at": NOON}
        world.tell(SeriesRejected(series_revision=1, reason="quality", **rejected))
        row = world.row(1)
        assert (row.tier, row.state, row.reason) == (
            "routine",
            "out_of_scope",
            "its images were rejected (quality): not analysed",
        )
        world.tell(make_answer(1, 0.9, revision=2))
        assert world.row(1).tier == "urgent"

    @pytest.mark.parametrize("claim", [(1, "stroke", 1, True), (1, "stroke", 2, False)], ids=["open", "complete"])
    @pytest.mark.parametrize("is_told_first", [True, False])
    def test_what_stands_of_a_series_is_running_then_late_beside_one_that_was_answered(
        self, is_told_first: bool, claim: tuple[int, str, int, bool], world: World
    ) -> None:
        world.activate()
        other = (2, "stroke", 1, False)
        world.tell(make_study(1, claims=[(1, "stroke", 1, False), other]), make_answer(1, 0.9))
        world.tell(make_answer(1, 0.1, series=2), make_confirmation(1, series=2))
        rejected = {"study_instance_uid": uid(1), "series_instance_uid": uid(1, 1), "rejected_at": NOON}
        part = SeriesRejected(series_revision=1, reason="quality", **rejected)
        rest = make_study(1, version=2, claims=[claim, other], arrived_at=world.clock.now())
        world.tell(*((part, rest) if is_told_first else (rest, part)))
        assert (world.row(1).tier, world.row(1).shown_state) == ("routine", "running")

        world.clock.advance(181)
        world.ranking.step()
        assert (world.row(1).shown_state, world.row(1).reason) == ("late", "no answer within 3 minutes")
        world.tell(make_answer(1, 0.1, revision=2), make_confirmation(1, revision=2))
        assert world.row(1).shown_state == "scored"


class TestPatients:
    def test_merge_moves_items_to_the_surviving_patient(self, world: World) -> None:
        world.tell(make_study(1))
        mine = KEYS.patient_key("", uid(1))
        tell(
            world,
            PatientMerged(merged_patient_key=mine, surviving_patient_key="p_survivor", stated_at=NOON),
            "p_survivor",
            "",
        )

        assert world.announced("worklist-item-ranked")[-1].patient_key == "p_survivor"

    def test_of_merges_in_a_circle_the_oldest_is_undone(self, world: World) -> None:
        for minutes, merged, into in [(0, "p_a", "p_b"), (1, "p_b", "p_c"), (2, "p_c", "p_a")]:
            stated_at = NOON + timedelta(minutes=minutes)
            record = PatientMerged(merged_patient_key=merged, surviving_patient_key=into, stated_at=stated_at)
            tell(world, record, into, "")

        with world.database.read() as connection:
            assert {surviving_patient(connection, key) for key in ("p_a", "p_b", "p_c")} == {"p_a"}

    def test_changed_patient_is_shown_anew(self, world: World) -> None:
        world.tell(make_study(1))
        before = world.lister.version()
        tell(world, PatientChanged(stated_at=NOON), "p", "", patient_key=KEYS.patient_key("", uid(1)))

        assert world.lister.version() > before


class TestCounts:
    def test_gauges_of_the_worklist(self, world: World) -> None:
        world.tell(make_study(1), order_key=ORDER)
        tell(world, order(urgency="stat"))
        tell(world, order(urgency="urgent"), OTHER, OTHER)
        count_orders(world.database)

        assert [open_orders(tier) for tier in ("stat", "urgent", "routine")] == [1, 1, 0]
        waiting = {"reason": "order_without_images"}
        assert REGISTRY.get_sample_value("voorrang_worklist_unmatched", waiting) == 1

        tell(world, report())
        count_orders(world.database)
        assert open_orders("stat") == 0

    def test_monitoring_counts_each_word_once(self, world: World, tmp_path: Path) -> None:
        handle = counters(make_runtime("monitoring", world.database, tmp_path))
        events = [about(order(urgency="stat"), ORDER, ORDER), about(report(), ORDER, ORDER)]
        before = [seen("orders", action="placed", tier="stat"), seen("reports", state="finalized")]
        for event in [*events, *events]:
            handle[event.type](event)

        after = [seen("orders", action="placed", tier="stat"), seen("reports", state="finalized")]
        assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1]


def open_orders(tier: str) -> float | None:
    return REGISTRY.get_sample_value("voorrang_worklist_orders_open", {"tier": tier})


def seen(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"voorrang_{name}_total", labels) or 0.0
