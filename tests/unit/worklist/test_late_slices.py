"""What is shown of an answer once more images of its series have come."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.integration.worklist_world import NOON, make_answer
from tests.unit.worklist.test_states import BASELINE, place, study, view
from voorrang.events.records import FindingsScored, ScoringState
from worklist.facts import StudyFacts
from worklist.states import ItemState

REOPENED, COMPLETED_AGAIN = (1, "stroke", 1, True), (1, "stroke", 2, False)
LATER = [REOPENED, COMPLETED_AGAIN]


def after_late_slices(*answers: FindingsScored, claim: tuple[int, str, int, bool] = REOPENED) -> StudyFacts:
    """Revision 1 was confirmed; then, at noon, the last slices came."""
    return study(*answers, claims=[claim], confirmed=[(1, "stroke", 1)], received_at=NOON)


@pytest.mark.parametrize("claim", LATER)
def test_answer_without_a_flag_is_silence_about_the_slices_that_came_later(claim: tuple[int, str, int, bool]) -> None:
    facts = after_late_slices(make_answer(score=0.1), claim=claim)

    assert (view(facts, now=NOON).state, view(facts, now=NOON).is_pending) == (ItemState.RUNNING, True)
    late = view(facts, now=NOON + timedelta(minutes=4))
    assert (late.state, late.provisional) == (ItemState.LATE, False)
    assert late.pathways[0].reason == "no answer about the images that came last within 3 minutes"
    assert place(late) == BASELINE


@pytest.mark.parametrize("claim", LATER)
@pytest.mark.parametrize("state", [ScoringState.FAILED, ScoringState.OUT_OF_SCOPE])
def test_so_is_one_that_failed_or_was_out_of_scope(state: ScoringState, claim: tuple[int, str, int, bool]) -> None:
    assert view(after_late_slices(make_answer(state=state), claim=claim), now=NOON).state is ItemState.RUNNING


@pytest.mark.parametrize("claim", LATER)
def test_flag_stays_a_flag(claim: tuple[int, str, int, bool]) -> None:
    item = view(after_late_slices(make_answer(score=0.9), claim=claim), now=NOON + timedelta(hours=1))

    assert (item.state, item.pathways[0].flagged, bool(item.lifts)) == (ItemState.SCORED, True, True)


@pytest.mark.parametrize("state", [ScoringState.FAILED, ScoringState.OUT_OF_SCOPE])
@pytest.mark.parametrize("claim", LATER)
def test_flag_stays_when_nothing_was_scored_later(claim: tuple[int, str, int, bool], state: ScoringState) -> None:
    flag, nothing = make_answer(score=0.9), make_answer(state=state, revision=2)
    item = view(after_late_slices(nothing, flag, claim=claim))

    assert (item.state, item.pathways[0].flagged, place(item)) == (
        ItemState.SCORED,
        True,
        place(view(after_late_slices(flag, claim=claim))),
    )


def test_flag_that_a_score_has_taken_away_is_not_brought_back_by_a_failure() -> None:
    answers = make_answer(score=0.9), make_answer(score=0.1, revision=2), make_answer(state=ScoringState.FAILED, run=3)
    failed = answers[2].model_copy(update={"series_revision": 3})

    assert view(after_late_slices(*answers[:2], failed)).state is ItemState.FAILED
    assert view(after_late_slices(make_answer(score=0.1), failed)).state is ItemState.FAILED


def test_answer_about_the_later_revision_is_shown_whichever_word_of_ingest_came() -> None:
    for claim in LATER:
        item = view(after_late_slices(make_answer(score=0.1), make_answer(score=0.2, revision=2), claim=claim))
        assert (item.state, item.provisional) == (ItemState.SCORED, True)


def test_claim_that_closes_with_the_same_images_gives_the_answer_back() -> None:
    item = view(after_late_slices(make_answer(score=0.1), claim=(1, "stroke", 1, False)))

    assert (item.state, item.provisional) == (ItemState.SCORED, False)


def test_confirmation_of_a_later_revision_says_that_there_is_one() -> None:
    facts = study(make_answer(score=0.1), confirmed=[(1, "stroke", 2)], received_at=NOON)

    assert view(facts, now=NOON).state is ItemState.RUNNING
    assert view(facts, now=NOON + timedelta(minutes=4)).state is ItemState.LATE


def test_another_series_and_another_pathway_await_their_own_revision() -> None:
    claims = [(1, "stroke", 1, False), (2, "stroke", 1, True), (1, "lung-nodule", 1, True)]
    stroke, lung = make_answer(score=0.1), make_answer(score=0.9, pathway="lung-nodule", model="lung")
    item = view(study(stroke, make_answer(score=0.9, series=2), lung, claims=claims, confirmed=[(1, "stroke", 1)]))

    assert all(one.state is ItemState.SCORED for one in item.pathways)
