"""What readers do, on a list of one's own: claims, judgements, what is written down of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.worklist_world import (
    NOON,
    World,
    make_answer,
    make_confirmation,
    make_study,
    uid,
    worklist_world,
)
from voorrang.events.reading_records import HowOpened
from voorrang.events.records import SeriesRejected
from worklist.minutes.loading import confirmed
from worklist.orders.facts import Standing
from worklist.reading import ending, log
from worklist.reading.claims import CLAIM_MINUTES
from worklist.reading.log import Reader
from worklist.reading.refusing import ActRefusedError, Refusal

pytestmark = pytest.mark.integration

ANNA, BRAM = Reader("anna", "radiologist"), Reader("bram", "resident")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A list of three exams, the third flagged."""
    with worklist_world(tmp_path) as made:
        made.activate()
        made.tell(*(make_study(n) for n in (1, 2, 3)), make_answer(3, 0.9))
        yield made


def refused(act: Any, *arguments: Any) -> Refusal:
    with pytest.raises(ActRefusedError) as caught:
        act(*arguments)
    return caught.value.refusal


def lines(world: World, number: int = 1) -> list[log.Decision]:
    with world.database.read() as connection:
        return log.decisions(connection, [uid(number)]).get(uid(number), [])


def end_reading(world: World, number: int) -> None:
    with world.database.write() as connection:
        ending.end_reading(world.runtime, connection, uid(number), Standing.REPORTED, world.clock.now())


def test_next_is_the_top_of_the_live_order_that_nobody_has(world: World) -> None:
    assert world.order() == [3, 1, 2]
    assert world.reading.open_next(ANNA).item_key == uid(3)
    world.tell(make_answer(2, 0.9))

    assert world.order() == [2, 3, 1]
    assert world.reading.open_next(BRAM).item_key == uid(2)


def test_next_pressed_twice_opens_one_item(world: World) -> None:
    first = world.reading.open_next(ANNA)

    assert world.reading.open_next(ANNA).reading == first.reading
    assert len(world.announced("reading-opened")) == 1


def test_an_item_that_a_reader_has_is_refused_to_another_and_the_list_says_who_has_it(world: World) -> None:
    world.reading.open(uid(1), ANNA, "list")

    assert refused(world.reading.open, uid(1), BRAM, "list") is Refusal.TAKEN
    assert refused(world.done, uid(1), BRAM) is Refusal.TAKEN
    assert refused(world.reading.hand_back, uid(1), BRAM) is Refusal.NOT_YOURS
    mark = world.row(1).reading
    assert mark is not None
    assert (mark.reader, mark.until) == ("anna", world.clock.now().replace(minute=31))


def test_an_item_handed_back_is_free_and_comes_last_for_who_did_not_want_it(world: World) -> None:
    assert world.reading.open_next(ANNA).item_key == uid(3)
    world.reading.hand_back(uid(3), ANNA)

    assert world.reading.open_next(ANNA).item_key == uid(1)
    assert world.reading.open_next(BRAM).item_key == uid(3)


def hand_all_back(world: World) -> None:
    for _ in range(3):
        world.reading.hand_back(world.reading.open_next(ANNA).item_key, ANNA)


def test_what_was_handed_back_and_is_flagged_since_comes_in_its_place_again(world: World) -> None:
    hand_all_back(world)
    world.tell(make_study(4), make_answer(2, 0.9))

    assert world.order()[0] == 2
    assert world.reading.open_next(ANNA).item_key == uid(2)


def test_so_does_what_has_waited_beyond_its_cap_since(world: World) -> None:
    hand_all_back(world)
    world.clock.advance(60 * 1441)
    world.ranking.step()
    world.tell(make_study(4, arrived_at=world.clock.now()))
    world.done(uid(3), BRAM)

    assert world.reading.open_next(ANNA).item_key == uid(1)


def test_who_alone_is_left_gets_what_was_handed_back(world: World) -> None:
    for _ in range(3):
        world.reading.hand_back(world.reading.open_next(ANNA).item_key, ANNA)

    assert world.reading.open_next(ANNA).item_key == uid(3)


def test_a_claim_ends_when_its_time_is_over_and_opening_again_prolongs_it(world: World) -> None:
    world.reading.open(uid(1), ANNA, "list")
    world.clock.advance(60 * (CLAIM_MINUTES - 1))
    world.reading.open(uid(1), ANNA, "list")
    world.clock.advance(60 * 2)
    assert refused(world.reading.open, uid(1), BRAM, "list") is Refusal.TAKEN
    world.clock.advance(60 * CLAIM_MINUTES)

    assert world.reading.open(uid(1), BRAM, "list").actor == "bram"
    closed = world.announced("reading-closed")
    assert [(event.data.why, event.data.actor) for event in closed] == [("expired", "anna")]
    expired = next(line for line in lines(world) if line.act is log.Act.EXPIRED)
    assert (expired.actor, expired.role) == ("voorrang", "system")


def test_a_claim_is_over_for_the_list_too_without_anybody_opening(world: World) -> None:
    before = world.lister.version()
    world.reading.open(uid(1), ANNA, "list")
    opened = world.lister.version()
    world.clock.advance(60 * CLAIM_MINUTES)
    world.reading.expire()

    mark = world.row(1).reading
    assert mark is not None
    assert mark.reader == ""
    assert before < opened < world.lister.version()


def test_done_takes_an_item_off_the_list_and_undo_puts_it_back_in_the_same_hands(world: World) -> None:
    world.reading.open(uid(1), ANNA, "list")
    world.done(uid(1), ANNA)
    assert world.order() == [3, 2]
    assert refused(world.reading.open, uid(1), BRAM, "list") is Refusal.CLOSED
    world.tell(make_study(1, version=2))  # late slices do not put it back
    assert world.order() == [3, 2]

    world.reading.undo(uid(1), ANNA)
    assert world.order() == [3, 1, 2]
    assert refused(world.reading.open, uid(1), BRAM, "list") is Refusal.TAKEN
    assert [event.data.why for event in world.announced("reading-closed")] == ["by_hand"]


def test_a_report_ends_the_claim_once_and_says_so(world: World) -> None:
    reading = world.reading.open(uid(1), ANNA, "list").reading
    end_reading(world, 1)
    end_reading(world, 1)

    (closed,) = world.announced("reading-closed")
    assert (closed.data.reading, closed.data.why, closed.data.actor) == (reading, "reported", "")
    assert [line.act for line in lines(world)] == [log.Act.OPENED, log.Act.REPORTED]
    assert refused(world.reading.hand_back, uid(1), ANNA) is Refusal.NOT_YOURS


def test_a_report_of_what_was_never_opened_here_closes_a_reading_that_is_not_known(world: World) -> None:
    end_reading(world, 1)

    (closed,) = world.announced("reading-closed")
    assert closed.data.reading is None


@pytest.mark.parametrize(("how", "act"), [("next", "open_next"), ("pacs", "open"), ("list", "open")])
def test_reading_opened_says_how_and_what_ai_had_shown(how: HowOpened, act: str, world: World) -> None:
    world.clock.advance(120)
    if act == "open_next":
        world.reading.open_next(ANNA)
    else:
        world.reading.open(uid(3), ANNA, how)

    (event,) = world.announced("reading-opened")
    assert (event.subject, event.data.how, event.data.actor, event.data.role) == (uid(3), how, "anna", "radiologist")
    (shown,) = event.data.ai_shown
    assert (shown.pathway, shown.model_id, shown.version_label, shown.flagged) == ("stroke", "head", "1.0", True)
    assert shown.since == NOON.replace(minute=1)
    assert event.data.opened_at == NOON.replace(minute=3)


def test_ai_that_had_shown_nothing_yet_is_not_the_same_as_unknown(world: World) -> None:
    world.reading.open(uid(1), ANNA, "list")
    with world.database.write() as connection:  # as a database of the version before: ranked, and nothing noted
        connection.exec_driver_sql(f"DELETE FROM worklist_shown WHERE item_key = '{uid(2)}'")  # noqa: S608
    world.reading.open(uid(2), ANNA, "list")

    assert [event.data.ai_shown for event in world.announced("reading-opened")] == [(), None]


def test_a_negative_counts_as_shown_when_it_is_no_longer_provisional(world: World) -> None:
    world.tell(make_answer(1, 0.1))
    world.reading.open(uid(1), ANNA, "list")
    world.reading.hand_back(uid(1), ANNA)
    world.clock.advance(60)
    world.tell(make_confirmation(1))
    world.reading.open(uid(1), ANNA, "list")

    before, after = (event.data.ai_shown for event in world.announced("reading-opened"))
    assert before == ()
    assert [(shown.flagged, shown.since) for shown in after] == [(False, NOON.replace(minute=2))]


@pytest.mark.parametrize("flagged", [1, 2])
def test_of_two_studies_of_an_order_the_flag_is_what_was_shown(flagged: int, world: World) -> None:
    world.tell(make_study(1, version=2), make_study(2, version=2), order_key="o_1")
    for number in (1, 2):
        world.tell(make_answer(number, 0.9 if number == flagged else 0.1), make_confirmation(number))
    world.reading.open("o_1", ANNA, "list")

    (shown,) = world.announced("reading-opened")[-1].data.ai_shown
    assert (world.row(1).pathways[0].flagged, shown.flagged) == (True, True)


def test_what_a_suspended_model_said_is_shown_no_more(world: World) -> None:
    world.suspend()
    world.ranking.step()
    world.reading.open(uid(3), ANNA, "list")

    assert [event.data.ai_shown for event in world.announced("reading-opened")] == [()]


def test_judgements_are_written_with_what_they_are_about_and_undo_takes_back_the_last(world: World) -> None:
    agreed = world.reading.judge(uid(3), ANNA, "agree", None)
    wrong = world.reading.judge(uid(3), ANNA, "ai_wrong", "artefact")
    mark = world.row(3).reading
    assert mark is not None
    assert (mark.judgement, mark.because, mark.judged_by) == ("ai_wrong", "artefact", "anna")

    assert world.reading.undo(uid(3), ANNA) == wrong
    mark = world.row(3).reading
    assert mark is not None
    assert (mark.judgement, mark.because) == ("agree", "")
    assert world.reading.undo(uid(3), ANNA) == agreed
    assert refused(world.reading.undo, uid(3), ANNA) is Refusal.NOTHING_TO_UNDO
    told = [(e.data.judgement, e.data.because, e.data.undoes) for e in world.announced("finding-judged")]
    assert told == [
        ("agree", None, None),
        ("ai_wrong", "artefact", None),
        ("undone", None, wrong),
        ("undone", None, agreed),
    ]
    assert all(e.data.ai_shown[0].model_id == "head" for e in world.announced("finding-judged"))


def test_what_was_said_before_ai_showed_something_else_is_marked_so(world: World) -> None:
    world.tell(make_answer(1, 0.1), make_confirmation(1))
    world.reading.judge(uid(1), ANNA, "agree", None)
    assert said(world) == ("agree", False)
    world.tell(make_answer(1, 0.9, revision=2))
    assert (world.row(1).pathways[0].flagged, *said(world)) == (True, "agree", True)

    world.reading.judge(uid(1), ANNA, "disagree", None)
    assert said(world) == ("disagree", False)
    world.suspend()
    world.ranking.step()
    assert said(world) == ("disagree", True)


def said(world: World, number: int = 1) -> tuple[str, bool]:
    """Return what the list says of the last judgement, and whether it was about something else."""
    mark = world.row(number).reading
    return ("", False) if mark is None else (mark.judgement, mark.judged_before)


def test_nobody_undoes_what_another_did(world: World) -> None:
    world.reading.judge(uid(3), ANNA, "agree", None)

    assert refused(world.reading.undo, uid(3), BRAM) is Refusal.NOTHING_TO_UNDO


def test_where_ai_has_shown_nothing_there_is_nothing_to_judge(world: World) -> None:
    assert refused(world.reading.judge, uid(1), ANNA, "agree", None) is Refusal.NOTHING_SHOWN


def test_every_act_on_an_item_that_is_not_there_is_refused_and_writes_nothing(world: World) -> None:
    acts = [
        lambda: world.reading.open("1.2.3", ANNA, "list"),
        lambda: world.done("1.2.3", ANNA),
        lambda: world.reading.judge("1.2.3", ANNA, "agree", None),
        lambda: world.reading.acknowledge("1.2.3", ANNA),
    ]

    assert {refused(act) for act in acts} == {Refusal.UNKNOWN_ITEM}
    assert refused(world.reading.hand_back, "1.2.3", ANNA) is Refusal.NOT_YOURS
    with world.database.read() as connection:
        assert log.revision(connection) == 0


def reject(number: int = 3, revision: int = 1) -> SeriesRejected:
    """Return ingest's word that the images of a series are rejected."""
    return SeriesRejected(
        study_instance_uid=uid(number),
        series_instance_uid=uid(number, 1),
        series_revision=revision,
        reason="wrong_worklist_entry",
        rejected_at=NOON,
    )


def judgement(world: World, number: int = 3) -> str:
    mark = world.row(number).reading
    return mark.judgement if mark is not None else ""


def agreed(world: World, *item_keys: str) -> frozenset[tuple[str, str]]:
    with world.database.read() as connection:
        return confirmed(connection, item_keys)


def test_rejected_images_void_what_was_said_of_ai_there_and_nothing_else(world: World) -> None:
    world.tell(make_study(4), make_answer(4, 0.9))
    label = world.reading.judge(uid(3), ANNA, "agree", None)
    world.reading.judge(uid(4), ANNA, "agree", None)
    world.tell(reject(), reject())  # told twice, it voids once

    assert (judgement(world), judgement(world, 4)) == ("", "agree")
    assert agreed(world, uid(3), uid(4)) == {(uid(4), "stroke")}
    assert refused(world.reading.undo, uid(3), ANNA) is Refusal.NOTHING_TO_UNDO
    told = [(e.data.judgement, e.data.undoes, e.data.voided_by) for e in world.announced("finding-judged")]
    assert told == [("agree", None, ""), ("agree", None, ""), ("undone", label, "wrong_worklist_entry")]


def test_what_is_said_of_the_images_that_came_in_their_place_stands(world: World) -> None:
    world.reading.judge(uid(3), ANNA, "agree", None)
    world.tell(reject(), make_answer(3, 0.9, revision=2))
    world.reading.judge(uid(3), BRAM, "disagree", None)

    assert judgement(world) == "disagree"
    world.tell(reject(revision=2))
    assert judgement(world) == ""


def test_what_was_said_follows_its_images_to_an_order_and_is_void_there_too(world: World) -> None:
    world.reading.judge(uid(3), ANNA, "agree", None)
    world.tell(make_study(3, version=2), order_key="o_3")
    assert world.row(3).item_key == "o_3"
    assert judgement(world) == "agree"
    assert agreed(world, "o_3") == {("o_3", "stroke")}

    world.tell(reject())
    assert judgement(world) == ""
    assert agreed(world, "o_3") == frozenset()


def test_an_order_that_comes_after_its_images_takes_the_reading_along(world: World) -> None:
    reading = world.reading.open(uid(3), ANNA, "list").reading
    world.tell(make_study(3, version=2), order_key="o_3")

    mark = world.row(3).reading
    assert mark is not None
    assert (world.row(3).item_key, mark.reader) == ("o_3", "anna")
    world.reading.hand_back("o_3", ANNA)
    (closed,) = world.announced("reading-closed")
    assert (closed.data.reading, closed.order_key) == (reading, "o_3")
    world.reading.open("o_3", ANNA, "list")
    shown = world.announced("reading-opened")[-1].data.ai_shown
    assert [(one.flagged, one.since) for one in shown] == [(True, NOON.replace(minute=1))]


def test_everything_is_there_again_after_a_restart() -> None:
    with tempfile.TemporaryDirectory() as folder:
        with worklist_world(Path(folder)) as world:
            world.tell(make_study(1), make_study(2))
            world.reading.open(uid(1), ANNA, "list")
            world.done(uid(2), ANNA)
            before = world.rows()
        with worklist_world(Path(folder)) as again:
            assert again.rows() == before
            assert refused(again.reading.open, uid(1), BRAM, "list") is Refusal.TAKEN


def test_a_model_that_was_suspended_meanwhile_moves_nothing_that_is_put_back(world: World) -> None:
    world.done(uid(3), ANNA)
    world.suspend()
    world.ranking.step()

    world.reading.undo(uid(3), ANNA)

    assert world.order() == [1, 2, 3]
    assert not any(view.flagged for view in world.row(3).pathways)


def test_a_clock_that_is_put_back_lets_nobody_keep_an_item_for_longer(world: World) -> None:
    world.reading.open(uid(1), ANNA, "list")
    world.clock.advance(-86_400)
    world.reading.expire()
    assert refused(world.reading.open, uid(1), BRAM, "list") is Refusal.TAKEN
    world.clock.advance(60 * CLAIM_MINUTES)

    assert world.reading.open(uid(1), BRAM, "list").actor == "bram"


def test_what_was_handed_back_comes_last_also_once_it_was_judged(world: World) -> None:
    assert world.reading.open_next(ANNA).item_key == uid(3)
    world.reading.hand_back(uid(3), ANNA)
    world.reading.judge(uid(3), ANNA, "agree", None)
    world.reading.undo(uid(3), ANNA)

    assert world.reading.open_next(ANNA).item_key == uid(1)
