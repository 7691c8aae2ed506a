"""Rule 5: silence is never negative, and a negative is no statement that something is absent."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.integration.worklist_world import (
    NOON,
    World,
    consuming,
    make_answer,
    make_confirmation,
    make_event,
    make_study,
    uid,
    wait_for,
    worklist_world,
)
from voorrang.bus import Message
from voorrang.events.envelope import encode
from voorrang.events.records import ScoringState, SeriesRejected
from worklist.states import ItemState
from worklist.tables import study


def test_states_are_the_seven_of_the_design() -> None:
    assert {state.value for state in ItemState} == {
        "running",
        "late",
        "scored",
        "out_of_scope",
        "failed",
        "no_pathway",
        "prior",
    }


def test_silence_is_running_and_then_late_by_time_alone(world: World) -> None:
    world.activate()
    world.tell(make_study(1))
    assert world.row().state == "running"

    world.clock.advance(181)
    world.ranking.step()
    assert (world.row().state, world.row().reason) == ("late", "no answer within 3 minutes")


def test_late_item_is_scored_when_the_answer_comes_after_all(world: World) -> None:
    world.activate()
    world.tell(make_study(1))
    world.clock.advance(3600)
    world.ranking.step()
    world.tell(make_answer(1, 0.9))

    assert (world.row().state, world.row().tier) == ("scored", "urgent")


def test_failed_and_out_of_scope_say_why(world: World) -> None:
    world.activate()
    world.tell(make_study(1), make_answer(1, state=ScoringState.FAILED, reason="ran out of memory"))
    world.tell(make_study(2), make_answer(2, state=ScoringState.OUT_OF_SCOPE, reason="a child"))

    assert (world.row(1).state, world.row(1).reason) == ("failed", "ran out of memory")
    assert (world.row(2).state, world.row(2).reason) == ("out_of_scope", "a child")


def test_answer_without_any_reason_still_says_something(world: World) -> None:
    world.activate()
    mute = make_answer(1, state=ScoringState.FAILED).model_copy(update={"reasons": ()})
    world.tell(make_study(1), mute)

    assert world.row().reason == "head gave no reason"


def test_positive_acts_at_once_without_confirmation(world: World) -> None:
    world.activate()
    world.tell(make_study(1), make_study(2), make_answer(2, 0.9))

    assert (world.order(), world.row(2).provisional) == ([2, 1], False)


def test_negative_is_shown_as_running_until_that_very_revision_is_confirmed(world: World) -> None:
    world.activate()
    world.tell(make_study(1), make_answer(1, 0.1, revision=2))
    assert (world.row().provisional, world.row().shown_state) == (True, "running")
    world.tell(make_confirmation(1, revision=1))
    assert world.row().shown_state == "running"
    world.tell(make_confirmation(1, revision=2, pathway="lung-nodule"))
    assert world.row().shown_state == "running"

    world.tell(make_confirmation(1, revision=2))
    assert (world.row().provisional, world.row().shown_state) == (False, "scored")


def test_confirmation_that_comes_first_counts(world: World) -> None:
    world.activate()
    world.tell(make_study(1), make_confirmation(1), make_answer(1, 0.1))

    assert world.row().shown_state == "scored"


def test_confirmation_alone_is_no_answer(world: World) -> None:
    world.activate()
    world.tell(make_study(1), make_confirmation(1))

    assert world.row().state == "running"


def test_answer_about_a_later_revision_supersedes(world: World) -> None:
    world.activate()
    world.tell(make_study(1), make_answer(1, 0.1), make_confirmation(1))
    world.tell(make_answer(1, 0.9, revision=2))
    assert world.row().tier == "urgent"

    world.tell(make_answer(1, 0.1, revision=1, run=9))
    assert world.row().tier == "urgent"


def test_confirmed_negative_is_provisional_again_with_the_next_revision(world: World) -> None:
    world.activate()
    world.tell(make_study(1), make_answer(1, 0.1), make_confirmation(1))
    world.tell(make_answer(1, 0.2, revision=2))

    assert world.row().shown_state == "running"


def test_second_series_without_an_answer_keeps_the_item_running(world: World) -> None:
    world.activate()
    world.tell(make_study(1, claims=[(1, "stroke"), (2, "stroke")]), make_answer(1, 0.1), make_confirmation(1))

    assert world.row().state == "running"


def test_answer_without_a_score_is_a_failure(world: World) -> None:
    world.activate()
    world.tell(make_study(1), make_answer(1, None), make_confirmation(1))

    assert (world.row().state, world.row().reason) == ("failed", "head answered without a score")


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_score_that_is_no_number_is_put_aside_and_the_item_stays_running(score: float, world: World) -> None:
    world.activate()
    world.tell(make_study(1))
    event = make_event(make_answer(1, 0.9))
    forged = encode(event).replace(b'"score":0.9', f'"score":{json.dumps(score)}'.encode())
    with consuming(world):
        world.runtime.producer.send([Message("findings-scored", uid(1), forged)])
        wait_for(lambda: world.broker.messages("findings-scored-dlq") != [])

    assert world.row().state == "running"


def test_what_is_shown_does_not_depend_on_the_order_of_the_events(tmp_path: Path) -> None:
    events = [make_study(1), make_answer(1, 0.9), make_answer(1, 0.1, revision=2), make_confirmation(1, revision=2)]
    seen = set()
    for n, order in enumerate(permutations(events)):
        folder = tmp_path / str(n)
        folder.mkdir()
        with worklist_world(folder) as world:
            world.activate()
            world.tell(*order)
            world.tell(*order)  # at least once means twice
            row = world.row()
            seen.add((row.state, row.provisional, row.tier, row.rank, row.reason))

    assert seen == {("scored", False, "routine", 1, "not flagged by head; bleeding not excluded")}


@pytest.mark.parametrize("minutes", [0, 2, 4, 1000])
def test_unanswered_item_is_never_shown_as_scored(minutes: int, world: World) -> None:
    world.activate()
    world.tell(make_study(1), make_confirmation(1))
    world.clock.advance(minutes * 60)
    world.ranking.step()

    assert world.row().shown_state in {"running", "late"}


def late_slices(world: World, revision: int, *, is_open: bool) -> None:
    """Let ingest say, 20 minutes after a confirmed negative, that more of the series has come."""
    world.activate()
    world.tell(make_study(1, claims=[(1, "stroke", 1, False)]), make_answer(1, 0.1), make_confirmation(1))
    assert world.row().shown_state == "scored"
    world.clock.advance(1200)
    world.tell(make_study(1, version=2, claims=[(1, "stroke", revision, is_open)], arrived_at=world.clock.now()))


@pytest.mark.parametrize(("revision", "is_open"), [(1, True), (2, False)], ids=["reopened", "completed again"])
def test_confirmed_negative_is_no_answer_about_late_slices(world: World, revision: int, is_open: bool) -> None:
    late_slices(world, revision, is_open=is_open)
    assert (world.row().shown_state, "not flagged" in world.row().explanation["en"]) == ("running", False)

    world.clock.advance(181)
    world.ranking.step()
    assert world.row().shown_state == "late"
    assert world.row().reason == "no answer about the images that came last within 3 minutes"


def test_confirmed_revision_that_nobody_answers_is_late(world: World) -> None:
    late_slices(world, 2, is_open=False)
    world.tell(make_confirmation(1, revision=2))
    world.clock.advance(3600)
    world.ranking.step()
    assert world.row().shown_state == "late"

    world.tell(make_answer(1, 0.1, revision=2))
    assert world.row().shown_state == "scored"


def test_late_slices_take_no_flag_away(world: World) -> None:
    world.activate()
    world.tell(make_study(1), make_answer(1, 0.9), make_study(1, version=2, claims=[(1, "stroke", 1, True)]))
    world.clock.advance(3600)
    world.ranking.step()

    assert (world.row().tier, world.row().shown_state) == ("urgent", "scored")


def rejected(revision: int) -> SeriesRejected:
    """Return ingest's word that the images of the series are rejected."""
    return SeriesRejected(
        study_instance_uid=uid(1),
        series_instance_uid=uid(1, 1),
        series_revision=revision,
        reason="quality",
        rejected_at=NOON,
    )


@pytest.mark.parametrize("state", [ScoringState.FAILED, ScoringState.OUT_OF_SCOPE])
@pytest.mark.parametrize("turned", [False, True])
def test_later_answer_without_a_score_takes_no_flag_away(turned: bool, state: ScoringState, world: World) -> None:
    world.activate()
    answers = [make_answer(1, 0.9), make_answer(1, state=state, revision=2)]
    world.tell(make_study(1), make_study(2), *(reversed(answers) if turned else answers))
    assert (world.row().tier, world.row().state, world.order()) == ("urgent", "scored", [1, 2])

    world.tell(rejected(1))
    assert (world.row().tier, world.row().state) == ("routine", state.value)


def test_run_that_failed_takes_no_flag_away_and_one_that_scored_does(world: World) -> None:
    world.activate()
    world.tell(make_study(1), make_answer(1, 0.9), make_answer(1, state=ScoringState.FAILED, run=2))
    assert world.row().tier == "urgent"

    world.tell(make_answer(1, 0.1, run=3), make_answer(1, state=ScoringState.FAILED, run=4))
    assert (world.row().tier, world.row().state) == ("routine", "failed")


def test_claims_that_the_version_before_stored_are_read(world: World) -> None:
    world.activate()
    world.tell(make_study(1), make_answer(1, 0.1), make_confirmation(1))
    with world.database.write() as connection:
        connection.execute(update(study).values(claims=[[uid(1, 1), "stroke"]]))
    world.ranking.rank_all([uid(1)])

    assert world.row().shown_state == "scored"
