"""Two models on one pathway: while one of them did not answer, nothing sounds as if both had."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.integration.worklist_world import NOON, make_answer
from tests.unit.worklist.test_states import SOON, TWO_MODELS, study, two_models, view
from voorrang.events.records import FindingsScored, Reason, ScoringState
from voorrang.register import Influence
from worklist.states import ItemState, ItemView

CONFIRMED = [(1, "stroke", 1), (2, "stroke", 1)]
NEGATIVE = make_answer(score=0.1)
OTHERWISE = {
    ScoringState.OUT_OF_SCOPE: ItemState.OUT_OF_SCOPE,
    ScoringState.FAILED: ItemState.FAILED,
}


def view_of(*answers: FindingsScored, confirmed: bool = True, minutes: float = 0, series: int = 1) -> ItemView:
    facts = study(
        *answers,
        claims=[(n + 1, "stroke") for n in range(series)],
        confirmed=CONFIRMED if confirmed else (),
        received_at=NOON,
    )
    both = two_models(Influence.RANK, Influence.RANK)
    return view(facts, pathways={"stroke": TWO_MODELS}, activations=both, now=SOON + timedelta(minutes=minutes))


@pytest.mark.parametrize("state", OTHERWISE)
@pytest.mark.parametrize("silent", ["head", "second-head"])
def test_what_one_did_not_read_speaks_before_what_the_other_did_not_flag(state: ScoringState, silent: str) -> None:
    answered = "second-head" if silent == "head" else "head"
    item = view_of(make_answer(score=0.1, model=answered), make_answer(model=silent, state=state))

    assert (item.state, item.provisional, item.lifts) == (OTHERWISE[state], False, ())
    assert item.pathways[0].model_id == silent
    assert item.pathways[0].reason == "gap of 20 mm between slices"


@pytest.mark.parametrize("state", OTHERWISE)
def test_while_a_negative_is_provisional_it_is_running_or_failed(state: ScoringState) -> None:
    item = view_of(NEGATIVE, make_answer(model="second-head", state=state), confirmed=False)

    assert item.state in {ItemState.FAILED, ItemState.SCORED}
    assert item.provisional == (item.state is ItemState.SCORED)  # provisional is shown as running


@pytest.mark.parametrize("confirmed", [True, False])
def test_while_one_is_pending_it_is_running_and_then_late(confirmed: bool) -> None:
    assert view_of(NEGATIVE, confirmed=confirmed).state is ItemState.RUNNING
    assert view_of(NEGATIVE, confirmed=confirmed).is_pending
    assert view_of(NEGATIVE, confirmed=confirmed, minutes=3).state is ItemState.LATE


@pytest.mark.parametrize("state", OTHERWISE)
def test_a_flag_speaks_whatever_the_other_did(state: ScoringState) -> None:
    item = view_of(make_answer(score=0.9), make_answer(model="second-head", state=state))

    assert item.lifts
    assert item.pathways[0].flagged


def test_a_series_that_gave_way_to_a_better_one_hides_nothing_of_either_model() -> None:
    better = Reason(code="another_preferred", text="a thinner series is read")
    gave_way = [
        make_answer(model=model, series=2, state=ScoringState.OUT_OF_SCOPE).model_copy(update={"reasons": (better,)})
        for model in ("head", "second-head")
    ]
    item = view_of(NEGATIVE, make_answer(score=0.1, model="second-head"), *gave_way, series=2)

    assert (item.state, item.provisional) == (ItemState.SCORED, False)


def test_each_model_may_have_read_another_series() -> None:
    item = view_of(
        NEGATIVE,
        make_answer(series=2, state=ScoringState.OUT_OF_SCOPE),
        make_answer(model="second-head", state=ScoringState.OUT_OF_SCOPE),
        make_answer(score=0.1, model="second-head", series=2),
        series=2,
    )

    assert item.state is ItemState.SCORED
