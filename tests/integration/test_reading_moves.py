"""A study moves from one order to another: who reads it still has it, and nobody else does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.worklist_world import (
    NOON,
    World,
    make_answer,
    make_event,
    make_study,
    uid,
    worklist_world,
)
from voorrang.events.records import OrderChanged, OrderPlaced
from worklist.reading.log import Reader
from worklist.reading.refusing import ActRefusedError, Refusal

pytestmark = pytest.mark.integration

ANNA, BRAM = Reader("anna", "radiologist"), Reader("bram", "resident")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A list of one flagged exam, whose study an order names that is not of its own number."""
    with worklist_world(tmp_path) as made:
        made.activate()
        say_order(made, "o_names", uid(1))
        made.tell(make_study(1), order_key="o_own")
        made.tell(make_answer(1, 0.9))
        yield made


def say_order(world: World, key: str, *uids: str, version: int = 1) -> None:
    kind = OrderPlaced if version == 1 else OrderChanged
    record = kind(order_version=version, urgency="routine", study_instance_uids=uids, ordered_at=NOON, stated_at=NOON)
    event = make_event(record, order_key=key)
    world.handle_by_type[event.type](event)


def test_the_reading_moves_to_its_own_order_when_that_comes(world: World) -> None:
    world.clock.advance(60)
    world.reading.judge("o_names", ANNA, "agree", None)
    reading = world.reading.open("o_names", ANNA, "list").reading
    say_order(world, "o_own")

    row = world.row(1)
    assert (row.item_key, row.reading.reader if row.reading else "") == ("o_own", "anna")
    assert row.reading is not None
    assert (row.reading.judgement, row.reading.judged_before) == ("agree", False)
    with pytest.raises(ActRefusedError) as caught:
        world.reading.open("o_own", BRAM, "list")
    assert caught.value.refusal is Refusal.TAKEN
    world.reading.hand_back("o_own", ANNA)
    assert [event.data.reading for event in world.announced("reading-closed")] == [reading]


def test_the_reading_moves_back_to_the_study_when_an_order_no_longer_names_it(world: World) -> None:
    say_order(world, "o_other", uid(2))
    world.tell(make_study(2))
    world.reading.open("o_other", ANNA, "list")
    say_order(world, "o_other", version=2)

    row = world.row(2)
    assert (row.item_key, row.reading.reader if row.reading else "") == (uid(2), "anna")


def test_a_reading_that_meets_another_is_closed_and_says_so(world: World) -> None:
    world.tell(make_study(2), order_key="o_own")
    say_order(world, "o_third", uid(3))
    world.tell(make_study(3))
    world.reading.open("o_third", ANNA, "list")
    kept = world.reading.open("o_own", BRAM, "list").reading
    world.tell(make_study(3, version=2), order_key="o_own")
    say_order(world, "o_own")

    mark = world.row(3).reading
    assert mark is not None
    assert (world.row(3).item_key, mark.reader) == ("o_own", "bram")
    closed = world.announced("reading-closed")
    assert [(event.data.why, event.data.actor) for event in closed] == [("withdrawn", "")]
    assert kept not in [event.data.reading for event in closed]


@pytest.mark.parametrize(("first", "then"), [("o_names", "o_own"), ("o_own", "o_names")])
def test_a_judgement_is_taken_back_once_by_the_key_of_before_or_of_now(first: str, then: str, world: World) -> None:
    world.clock.advance(60)
    said = world.reading.judge("o_names", ANNA, "agree", None)
    say_order(world, "o_own")
    assert world.reading.undo(first, ANNA) == said

    mark = world.row(1).reading
    assert mark is None or mark.judgement == ""
    with pytest.raises(ActRefusedError) as caught:
        world.reading.undo(then, ANNA)
    assert caught.value.refusal is Refusal.NOTHING_TO_UNDO
    undone = world.announced("finding-judged")[-1].data
    assert (undone.judgement, undone.item_key, undone.study_instance_uids) == ("undone", "o_own", (uid(1),))


def test_a_done_that_was_taken_back_takes_nothing_back_of_another_reader(world: World) -> None:
    world.done("o_names", ANNA)
    say_order(world, "o_own")
    world.reading.undo("o_own", ANNA)
    world.reading.hand_back("o_own", ANNA)
    world.done("o_own", BRAM)
    with pytest.raises(ActRefusedError) as caught:
        world.reading.undo("o_names", ANNA)

    assert (caught.value.refusal, world.rows()) == (Refusal.NOTHING_TO_UNDO, [])


def test_a_row_whose_studies_have_moved_is_not_judged(world: World) -> None:
    """The page of a moment ago still has it: what is said there would be on no row of the list."""
    world.clock.advance(60)
    say_order(world, "o_own")
    with pytest.raises(ActRefusedError) as caught:
        world.reading.judge("o_names", ANNA, "agree", None)

    assert caught.value.refusal is Refusal.MOVED
    assert world.announced("finding-judged") == []


def test_who_reads_what_is_left_of_an_order_keeps_it_when_that_moves_to_another(world: World) -> None:
    world.tell(make_study(2), order_key="o_two")
    world.tell(make_study(3), order_key="o_two")
    world.reading.done("o_two", ANNA, [uid(2)])
    reading = world.reading.open("o_two", BRAM, "list").reading
    world.tell(make_study(3, version=2), order_key="o_three")  # its number was corrected

    mark = world.row(3).reading
    assert (world.row(3).item_key, mark.reader if mark else "") == ("o_three", "bram")
    with pytest.raises(ActRefusedError) as caught:
        world.reading.open("o_three", ANNA, "list")
    assert caught.value.refusal is Refusal.TAKEN
    world.done("o_three", BRAM)
    assert [event.data.reading for event in world.announced("reading-closed")] == [None, reading]
