"""What is shown of an item, and what moves it, from its facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.integration.worklist_world import (
    DIGESTS,
    LUNG,
    NOON,
    RESEARCH,
    STROKE,
    make_activation,
    make_answer,
    make_pathway,
    make_version,
    uid,
)
from voorrang.events.records import FindingsScored, Reason, ScoringState
from voorrang.pathways.pathway import Pathway
from voorrang.register import Activation, Influence
from worklist.facts import ClaimFacts, ItemFacts, StudyFacts
from worklist.ordering.places import Lift, SortKey, sort_key
from worklist.states import ItemState, ItemView, view_item

BOTH = {"stroke": STROKE, "lung-nodule": LUNG}
ACTIVE = (make_activation(STROKE), make_activation(LUNG, activation=2))
SOON = NOON + timedelta(minutes=1, seconds=30)
SILENT = {"lift": None, "flagged": False}


def study(
    *answers: FindingsScored,
    number: int = 1,
    claims: Sequence[tuple[int, str] | tuple[int, str, int, bool]] = ((1, "stroke"),),
    confirmed: Iterable[tuple[int, str, int]] = (),
    prior: bool = False,
    received_at: datetime = NOON + timedelta(minutes=1),
) -> StudyFacts:
    return StudyFacts(
        study_instance_uid=uid(number),
        patient_key="p_1",
        first_received_at=received_at,
        last_received_at=received_at,
        modalities=("CT",),
        prior=prior,
        claims=tuple(ClaimFacts(uid(number, series), *claim) for series, *claim in claims),
        answers=tuple(answers),
        confirmed=frozenset((uid(number, series), name, revision) for series, name, revision in confirmed),
    )


def view(
    *studies: StudyFacts,
    activations: Sequence[Activation] = ACTIVE,
    pathways: dict[str, Pathway] | None = None,
    now: datetime = SOON,
) -> ItemView:
    return view_item(ItemFacts("item", "routine", studies), BOTH if pathways is None else pathways, activations, now)


def place(item: ItemView, arrived_at: datetime = NOON) -> SortKey:
    return sort_key("routine", item.lifts, arrived_at, "item")


BASELINE = sort_key("routine", (), NOON, "item")


def test_positive_acts_at_once_without_confirmation() -> None:
    item = view(study(make_answer(score=0.9)))

    assert (item.state, item.provisional, item.lifts) == (
        ItemState.SCORED,
        False,
        (Lift("urgent", 1.0, 8.0, target_minutes=15),),
    )


def test_score_at_the_operating_point_is_flagged() -> None:
    assert view(study(make_answer(score=0.5))).lifts
    assert not view(study(make_answer(score=0.49999))).lifts


def test_negative_is_provisional_until_that_very_revision_is_confirmed() -> None:
    answer = make_answer(score=0.1, revision=2)

    assert view(study(answer)).provisional
    assert view(study(answer, confirmed=[(1, "stroke", 1)])).provisional
    assert view(study(answer, confirmed=[(2, "stroke", 2)])).provisional
    assert view(study(answer, confirmed=[(1, "lung-nodule", 2)])).provisional
    assert not view(study(answer, confirmed=[(1, "stroke", 2)])).provisional


def test_one_provisional_series_keeps_the_item_provisional() -> None:
    claims = [(1, "stroke"), (2, "stroke")]
    louder_and_confirmed = make_answer(score=0.4, series=1)
    provisional = make_answer(score=0.1, series=2)

    item = view(study(louder_and_confirmed, provisional, claims=claims, confirmed=[(1, "stroke", 1)]))

    assert item.provisional


def test_one_provisional_pathway_keeps_the_item_provisional() -> None:
    claims = [(1, "stroke"), (1, "lung-nodule")]
    stroke = make_answer(score=0.1)
    lung = make_answer(score=0.4, pathway="lung-nodule", model="lung")

    item = view(study(stroke, lung, claims=claims, confirmed=[(1, "lung-nodule", 1)]))

    assert item.provisional


def test_negative_beside_a_series_without_answer_is_running() -> None:
    claims = [(1, "stroke"), (2, "stroke")]

    item = view(study(make_answer(score=0.1), claims=claims, confirmed=[(1, "stroke", 1)]))

    assert item.state is ItemState.RUNNING


def test_provisional_negative_beside_silence_becomes_late_by_time() -> None:
    claims = [(1, "stroke"), (2, "stroke")]
    facts = study(make_answer(score=0.4), claims=claims, received_at=NOON)

    assert view(facts, now=NOON).state is ItemState.RUNNING
    assert view(facts, now=NOON).is_pending
    assert view(facts, now=NOON + timedelta(minutes=4)).state is ItemState.LATE


def test_positive_of_one_series_speaks_though_another_has_no_answer() -> None:
    item = view(study(make_answer(score=0.9, series=2), claims=[(1, "stroke"), (2, "stroke")]))

    assert item.state is ItemState.SCORED
    assert item.lifts


def test_silence_is_running_and_then_late() -> None:
    waiting = study(received_at=NOON)

    assert view(waiting, now=NOON).state is ItemState.RUNNING
    assert view(waiting, now=NOON + timedelta(minutes=3)).state is ItemState.RUNNING
    assert view(waiting, now=NOON + timedelta(minutes=3, seconds=1)).state is ItemState.LATE


def test_only_what_runs_may_change_by_time_alone() -> None:
    waiting = study(received_at=NOON)

    assert view(waiting, now=NOON).is_pending
    assert not view(waiting, now=NOON + timedelta(minutes=4)).is_pending
    assert not view(study(make_answer())).is_pending


def test_study_that_no_pathway_wants_says_so() -> None:
    assert view(study(claims=())).state is ItemState.NO_PATHWAY


def test_prior_is_a_prior_whatever_was_scored() -> None:
    item = view(study(make_answer(score=0.99), prior=True))

    assert (item.state, item.lifts, item.pathways) == (ItemState.PRIOR, (), ())


def test_prior_beside_a_new_study_moves_nothing() -> None:
    item = view(study(make_answer(score=0.99), prior=True), study(number=2, claims=()))

    assert (item.state, item.lifts) == (ItemState.NO_PATHWAY, ())


def test_item_arrives_with_its_first_study_that_is_no_prior() -> None:
    old = study(prior=True, received_at=NOON - timedelta(days=2))
    new = study(number=2, received_at=NOON)

    assert ItemFacts("item", "routine", (old, new)).arrived_at == NOON
    assert ItemFacts("item", "routine", (old,)).arrived_at == NOON - timedelta(days=2)


@pytest.mark.parametrize(
    ("answers", "claims", "now"),
    [
        ((), ((1, "stroke"),), SOON),
        ((), ((1, "stroke"),), SOON + timedelta(hours=1)),
        ((make_answer(score=0.1),), ((1, "stroke"),), SOON),
        ((make_answer(state=ScoringState.FAILED),), ((1, "stroke"),), SOON),
        ((make_answer(state=ScoringState.OUT_OF_SCOPE),), ((1, "stroke"),), SOON),
        ((), (), SOON),
    ],
    ids=["running", "late", "not_flagged", "failed", "out_of_scope", "no_pathway"],
)
def test_everything_that_no_flag_speaks_for_shares_one_baseline(
    answers: tuple[FindingsScored, ...], claims: tuple[tuple[int, str], ...], now: datetime
) -> None:
    assert place(view(study(*answers, claims=claims), now=now)) == BASELINE


def test_answer_of_other_weights_is_silence() -> None:
    foreign = make_answer(score=0.99, digest="f" * 64)

    item = view(study(foreign))

    assert (item.state, item.lifts) == (ItemState.RUNNING, ())
    assert view(study(foreign), now=SOON + timedelta(hours=1)).state is ItemState.LATE


@pytest.mark.parametrize("score", [0.0, 0.99])
@pytest.mark.parametrize("version", ["0.9", "1.1"])
def test_shadow_version_beside_the_active_one_changes_nothing(score: float, version: str) -> None:
    active = make_answer(score=0.9)
    shadow = make_answer(score=score, version=version, digest="f" * 64, revision=2, run=7)

    for answers in ((active, shadow), (shadow, active)):
        assert view(study(*answers)) == view(study(active))


@pytest.mark.parametrize("influence", [Influence.NONE, Influence.DISPLAY])
def test_model_without_influence_on_the_rank_moves_nothing(influence: Influence) -> None:
    item = view(study(make_answer(score=0.99)), activations=[make_activation(influence=influence)])

    assert item.lifts == ()


def test_displayed_model_shows_its_flag() -> None:
    item = view(study(make_answer(score=0.99)), activations=[make_activation(influence=Influence.DISPLAY)])

    assert item.pathways[0].flagged


def test_model_without_influence_is_not_seen() -> None:
    item = view(study(make_answer(score=0.99)), activations=[make_activation(influence=Influence.NONE)])

    assert (item.state, item.pathways[0].reason_code) == (ItemState.OUT_OF_SCOPE, "not_activated")
    assert (item.pathways[0].flagged, item.pathways[0].score) == (False, None)


@pytest.mark.parametrize(
    "changed",
    [
        make_pathway(models=(("head", 0.1),)),
        make_pathway(lift_to="stat"),
        make_pathway(harm_per_minute=50),
    ],
    ids=["operating_point", "lift_to", "harm"],
)
def test_pathway_file_that_differs_from_what_was_activated_moves_nothing(changed: Pathway) -> None:
    item = view(study(make_answer(score=0.99)), pathways={"stroke": changed})

    assert (item.lifts, item.state) == ((), ItemState.OUT_OF_SCOPE)


@pytest.mark.parametrize(("said", "score"), [(0.0, 0.2), (0.1, 0.49)])
def test_operating_point_is_the_activated_one_whatever_the_answer_says(said: float, score: float) -> None:
    item = view(study(make_answer(score=score, operating_point=said)))

    assert not item.pathways[0].flagged
    assert item.lifts == ()


def test_answer_from_before_a_lower_operating_point_was_activated_keeps_its_flag() -> None:
    pathway = make_pathway(models=(("head", 0.4),))
    item = view(
        study(make_answer(score=0.45, operating_point=0.5)),
        pathways={"stroke": pathway},
        activations=[make_activation(pathway)],
    )

    assert item.lifts


def test_answer_without_a_score_has_failed() -> None:
    item = view(study(make_answer(score=None)))

    assert (item.state, item.lifts, item.provisional) == (ItemState.FAILED, (), False)
    assert item.pathways[0].score is None


def test_several_reasons_are_several_sentences() -> None:
    reasons = (Reason(code="phantom", text="A phantom; a patient is asked."), Reason(code="gap", text="A gap."))
    answer = make_answer(state=ScoringState.OUT_OF_SCOPE).model_copy(update={"reasons": reasons})
    (said,) = view(study(answer)).pathways

    assert (said.reason_code, said.reason) == ("phantom", "A phantom; a patient is asked. A gap")


TWO_MODELS = make_pathway(models=(("head", 0.5), ("second-head", 0.5)))


def two_models(first: Influence, second: Influence) -> list[Activation]:
    return [
        make_activation(TWO_MODELS, make_version("head"), first, 1),
        make_activation(TWO_MODELS, make_version("second-head"), second, 2),
    ]


@pytest.mark.parametrize("shown", [0.0, 0.6, 0.99])
def test_displayed_model_never_takes_away_the_lift_of_another(shown: float) -> None:
    displayed = make_answer(score=shown, model="second-head")
    ranks = make_answer(score=0.7)
    item = view(
        study(displayed, ranks),
        pathways={"stroke": TWO_MODELS},
        activations=two_models(Influence.RANK, Influence.DISPLAY),
    )

    assert item.lifts == (Lift("urgent", 1.0, 8.0, target_minutes=15),)
    assert item.pathways[0].model_id == "head"


def test_pathway_that_moves_the_item_speaks_for_it() -> None:
    chest = make_answer(score=0.99, pathway="lung-nodule", model="lung", finding_type="lung_nodule")
    head = make_answer(score=0.55)

    item = view(study(chest, head, claims=[(1, "stroke"), (1, "lung-nodule")]))

    assert [p.pathway for p in item.pathways] == ["stroke", "lung-nodule"]
    assert place(item).tier.tier == "urgent"


def test_every_answer_carries_the_statement_of_its_model() -> None:
    activations = [make_activation(model=make_version(statement="flag only"))]
    for state in ScoringState:
        item = view(study(make_answer(state=state)), activations=activations)
        assert item.pathways[0].statement == "flag only"
    assert view(study(make_answer())).pathways[0].statement == RESEARCH


answers = st.lists(
    st.builds(
        make_answer,
        score=st.one_of(st.none(), st.floats(0, 1)),
        series=st.integers(1, 3),
        state=st.sampled_from(ScoringState),
        revision=st.integers(1, 2),
        model=st.sampled_from(["head", "second-head"]),
        digest=st.sampled_from(["", "f" * 64]),
    ),
    max_size=5,
    unique_by=lambda a: (a.series_instance_uid, a.model.model_id, a.model.weights_digest),
)
influences = st.sampled_from(Influence)


@given(
    found=answers, first=influences, second=influences, confirmed=st.sets(st.integers(1, 3)), minutes=st.floats(0, 9)
)
def test_taking_an_answer_without_a_flag_away_changes_no_place(
    found: list[FindingsScored], first: Influence, second: Influence, confirmed: set[int], minutes: float
) -> None:
    def view_of(kept: list[FindingsScored]) -> ItemView:
        facts = study(
            *kept,
            claims=[(n, "stroke") for n in (1, 2, 3)],
            confirmed=[(n, "stroke", 1) for n in confirmed],
            received_at=NOON,
        )
        now = NOON + timedelta(minutes=minutes)
        return view(facts, pathways={"stroke": TWO_MODELS}, activations=two_models(first, second), now=now)

    flagged = [
        a
        for a in found
        if a.state is ScoringState.SCORED
        and a.score is not None
        and a.score >= 0.5
        and a.model.weights_digest != "f" * 64
    ]

    assert place(view_of(found)) == place(view_of(flagged))


@given(found=answers, first=influences, second=influences, seed=st.randoms())
def test_view_does_not_depend_on_the_order_of_the_facts(
    found: list[FindingsScored], first: Influence, second: Influence, seed: object
) -> None:
    turned = list(found)
    seed.shuffle(turned)  # type: ignore[attr-defined]
    active = two_models(first, second)
    claims = [(n, "stroke") for n in (1, 2, 3)]

    one = view(study(*found, claims=claims), pathways={"stroke": TWO_MODELS}, activations=active)
    other = view(study(*turned, claims=claims[::-1]), pathways={"stroke": TWO_MODELS}, activations=active[::-1])

    assert one.state is other.state
    assert one.provisional == other.provisional
    assert place(one) == place(other)


@given(found=answers, first=influences, second=influences)
def test_only_a_flag_of_a_ranking_model_with_the_activated_weights_lifts(
    found: list[FindingsScored], first: Influence, second: Influence
) -> None:
    item = view(
        study(*found, claims=[(n, "stroke") for n in (1, 2, 3)]),
        pathways={"stroke": TWO_MODELS},
        activations=two_models(first, second),
    )
    may_rank = {name for name, i in (("head", first), ("second-head", second)) if i is Influence.RANK}

    expected = any(
        a.state is ScoringState.SCORED
        and a.score is not None
        and a.score >= 0.5
        and a.model.model_id in may_rank
        and a.model.weights_digest == DIGESTS[a.model.model_id]
        for a in found
    )
    assert bool(item.lifts) is expected
