"""What *Done* covers: the studies that were there. One that comes later is read by nobody yet, and says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.integration.worklist_world import (
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
from voorrang.events.records import OrderPlaced
from worklist.reading.acts import Reading
from worklist.reading.log import Reader
from worklist.reading.refusing import ActRefusedError, Refusal
from worklist.timeline import waits

pytestmark = pytest.mark.integration

ANNA, BRAM = Reader("anna", "radiologist"), Reader("bram", "resident")
ORDER = "o_1"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A list of one exam with an order; its study is flagged."""
    with worklist_world(tmp_path) as made:
        made.activate()
        made.tell(make_study(1), order_key=ORDER)
        made.tell(make_answer(1, 0.9))
        yield made


def listed(world: World) -> list[str]:
    return [row.item_key for row in world.rows()]


def place_order(world: World, *numbers: int, key: str = ORDER) -> None:
    """Let the RIS say that an order exists, and which studies are its own."""
    named = tuple(uid(number) for number in numbers)
    record = OrderPlaced(
        order_version=1, urgency="urgent", study_instance_uids=named, ordered_at=NOON, stated_at=world.clock.now()
    )
    event = make_event(record, order_key=key)
    world.handle_by_type[event.type](event)


def refused(reading: Reading, item_key: str) -> Refusal:
    with pytest.raises(ActRefusedError) as caught:
        reading.undo(item_key, ANNA)
    return caught.value.refusal


class TestStudyThatComesAfterDone:
    def test_it_brings_its_order_back_and_the_row_says_what_was_read_before(self, world: World) -> None:
        world.done(ORDER, ANNA)
        assert listed(world) == []
        world.clock.advance(600)
        world.tell(make_study(2, arrived_at=world.clock.now()), order_key=ORDER)

        assert listed(world) == [ORDER]
        row = world.row(2)
        assert row.studies_done == (uid(1),)
        assert (row.minutes_waited, row.arrived_at) == (0, NOON + timedelta(minutes=11))
        with serving(world) as server:
            assert "1 of its 2 studies was read before" in httpx.get(server.address, timeout=60).text
        assert world.reading.open_next(BRAM).item_key == ORDER

    def test_it_is_placed_by_what_nobody_has_read(self, world: World) -> None:
        world.done(ORDER, ANNA)
        world.tell(make_study(2), order_key=ORDER)
        assert (world.row(2).tier, world.row(2).shown_state) == ("routine", "running")

        world.tell(make_answer(2, 0.9))
        assert (world.row(2).tier, world.row(2).pathways[0].flagged) == ("urgent", True)

    def test_it_is_late_by_its_own_images(self, world: World) -> None:
        world.done(ORDER, ANNA)
        world.clock.advance(3600)
        world.tell(make_study(2, arrived_at=world.clock.now()), order_key=ORDER)
        world.clock.advance(181)
        world.ranking.step()

        assert world.row(2).shown_state == "late"

    def test_done_once_more_covers_it_and_undo_gives_back_what_that_done_covered(self, world: World) -> None:
        world.done(ORDER, ANNA)
        world.tell(make_study(2), order_key=ORDER)
        world.done(ORDER, BRAM)
        assert listed(world) == []

        world.reading.undo(ORDER, BRAM)
        assert (listed(world), world.row(2).studies_done) == ([ORDER], (uid(1),))
        world.done(ORDER, BRAM)
        world.reading.undo(ORDER, ANNA)
        assert (listed(world), world.row(1).studies_done) == ([ORDER], (uid(2),))

    def test_late_slices_and_a_prior_bring_nothing_back(self, world: World) -> None:
        world.done(ORDER, ANNA)
        world.tell(make_study(1, version=2, claims=[(1, "stroke"), (2, "stroke")]), order_key=ORDER)
        world.tell(make_study(2, prior=True), order_key=ORDER)

        assert listed(world) == []

    def test_a_prior_that_was_there_and_proves_to_be_new_is_not_read(self, world: World) -> None:
        world.tell(make_study(2, prior=True), order_key=ORDER)
        world.done(ORDER, ANNA)
        world.tell(make_study(2, version=2), order_key=ORDER)

        assert listed(world) == [ORDER]

    def test_once_none_of_its_images_stands_the_order_leaves_again(self, world: World) -> None:
        world.done(ORDER, ANNA)
        world.tell(make_study(2), order_key=ORDER)
        gone = {"withdrawn": "wrong_worklist_entry", "withdrawn_at": NOON}
        world.tell(make_study(2, version=2).model_copy(update=gone), order_key=ORDER)

        assert listed(world) == []

    def test_images_that_come_in_place_of_rejected_ones_were_read_by_nobody(self, world: World) -> None:
        world.done(ORDER, ANNA)
        gone = {"withdrawn": "quality", "withdrawn_at": NOON}
        world.tell(make_study(1, version=2).model_copy(update=gone), order_key=ORDER)
        world.tell(make_study(1, version=3), order_key=ORDER)

        assert listed(world) == [ORDER]

    def test_a_judgement_of_what_was_read_is_not_about_it(self, world: World) -> None:
        world.reading.judge(ORDER, ANNA, "disagree", None)
        world.done(ORDER, ANNA)
        world.tell(make_study(2), order_key=ORDER)
        world.tell(make_answer(2, 0.9))

        mark = world.row(2).reading
        assert mark is not None
        assert (mark.judgement, mark.judged_before) == ("disagree", True)


class TestStudyThatTheReaderHadNotSeen:
    """It came between the row that the reader saw and the key."""

    def test_it_stays_to_be_read_and_its_row_says_what_was(self, world: World) -> None:
        seen = world.row(1).studies_to_read
        assert seen == (uid(1),)
        world.clock.advance(600)
        world.tell(make_study(2, arrived_at=world.clock.now()), order_key=ORDER)
        said = world.reading.done(ORDER, ANNA, seen)

        assert (said.covers, said.left) == ((uid(1),), (uid(2),))
        assert listed(world) == [ORDER]
        row = world.row(2)
        assert (row.studies_done, row.studies_to_read) == ((uid(1),), (uid(2),))
        assert (row.tier, row.minutes_waited) == ("routine", 0)  # the flag was read

    def test_all_is_as_if_it_had_come_a_moment_later(self, world: World, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        world.reading.open(ORDER, ANNA, "list")
        world.tell(make_study(2), order_key=ORDER)
        world.reading.done(ORDER, ANNA, [uid(1)])
        with worklist_world(tmp_path / "other") as other:
            other.activate()
            other.tell(make_study(1), order_key=ORDER)
            other.tell(make_answer(1, 0.9))
            other.reading.open(ORDER, ANNA, "list")
            other.reading.done(ORDER, ANNA, [uid(1)])
            other.tell(make_study(2), order_key=ORDER)

            assert world.rows() == other.rows()
            closed = [
                [(event.data.reading, event.data.why) for event in one.announced("reading-closed")]
                for one in (world, other)
            ]
        assert closed == [[(closed[0][0][0], "by_hand")]] * 2
        assert world.reading.open_next(BRAM).item_key == ORDER

    def test_undo_gives_back_what_was_seen(self, world: World) -> None:
        world.tell(make_study(2), order_key=ORDER)
        world.reading.done(ORDER, ANNA, [uid(1)])
        world.reading.undo(ORDER, ANNA)

        assert (world.row(1).studies_done, world.row(1).studies_to_read) == ((), (uid(1), uid(2)))

    def test_a_prior_that_proves_to_be_new_was_not_seen_as_one_to_read(self, world: World) -> None:
        world.tell(make_study(2, prior=True), order_key=ORDER)
        seen = world.row(1).studies_to_read
        world.tell(make_study(2, version=2), order_key=ORDER)
        world.reading.done(ORDER, ANNA, seen)

        assert (listed(world), world.row(2).studies_to_read) == ([ORDER], (uid(2),))

    @pytest.mark.parametrize("seen", [[], [uid(7)], [uid(1)]])
    def test_done_of_nothing_that_is_to_be_read_is_refused(self, world: World, seen: list[str]) -> None:
        world.reading.done(ORDER, BRAM, [uid(1)])
        world.tell(make_study(2), order_key=ORDER)
        before = world.rows()
        with pytest.raises(ActRefusedError) as caught:
            world.reading.done(ORDER, ANNA, seen)

        assert caught.value.refusal is Refusal.OTHER_STUDIES
        assert world.rows() == before

    def test_a_study_that_has_left_the_row_is_not_covered_by_it(self, world: World) -> None:
        world.tell(make_study(2), order_key=ORDER)
        seen = world.row(1).studies_to_read
        world.tell(make_study(2, version=2), order_key="o_2")  # the number was corrected
        world.reading.done(ORDER, ANNA, seen)

        assert listed(world) == ["o_2"]


class TestOrderThatComesAfterDone:
    def test_what_was_read_does_not_come_back(self, world: World) -> None:
        world.tell(make_study(3), make_study(4), make_answer(3, 0.1), make_confirmation(3))
        world.done(uid(3), ANNA)
        world.done(uid(4), ANNA)
        place_order(world, 3, key="o_3")  # by name
        world.tell(make_study(4, version=2), order_key="o_4")  # by its number
        assert listed(world) == [ORDER]

        place_order(world, key="o_4")
        assert listed(world) == [ORDER]

    def test_beside_a_study_that_nobody_has_read_it_says_what_was(self, world: World) -> None:
        world.tell(make_study(3))
        world.done(uid(3), ANNA)
        place_order(world, 3)

        assert listed(world) == [ORDER]
        assert (world.row(1).studies_done, world.row(1).tier) == ((uid(3),), "urgent")
        world.done(ORDER, ANNA)
        assert listed(world) == []

    @pytest.mark.parametrize("asked", [uid(3), "o_3"])
    def test_undo_puts_it_back_by_its_key_of_before_and_of_now(self, world: World, asked: str) -> None:
        world.tell(make_study(3))
        world.reading.open(uid(3), ANNA, "list")
        world.done(uid(3), ANNA)
        place_order(world, 3, key="o_3")
        world.reading.undo(asked, ANNA)

        assert world.row(3).item_key == "o_3"
        mark = world.row(3).reading
        assert mark is not None
        assert mark.reader == "anna"
        assert refused(world.reading, asked) is Refusal.NOTHING_TO_UNDO

    def test_a_study_that_was_read_under_one_order_stays_read_under_another(self, world: World) -> None:
        world.done(ORDER, ANNA)
        world.tell(make_study(1, version=2), order_key="o_2")  # the number was corrected
        assert listed(world) == []

        world.tell(make_study(5), order_key=ORDER)
        assert (listed(world), world.row(5).studies_done) == ([ORDER], ())


def test_where_says_that_a_study_was_called_done(world: World) -> None:
    world.done(ORDER, ANNA)

    with world.database.read() as connection:
        assert waits(connection, uid(1)) == ["nothing: called done by a reader"]


def test_where_says_so_too_when_another_study_keeps_the_order_on_the_list(world: World) -> None:
    world.tell(make_study(2), order_key=ORDER)
    world.reading.done(ORDER, ANNA, [uid(1)])

    with world.database.read() as connection:
        assert waits(connection, uid(1)) == ["nothing: called done by a reader"]
        assert waits(connection, uid(2)) == ["nothing: read order 1"]
