"""Rule 4: tiers of people first; AI lifts, at most so far, and lowers nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.integration.worklist_world import (
    NOON,
    PATHWAYS,
    World,
    make_answer,
    make_confirmation,
    make_pathway,
    make_study,
    worklist_world,
)
from voorrang.events.records import FindingsScored, Record, ScoringState, Tier
from worklist import facts_store


@pytest.mark.parametrize(
    ("lift_to", "tier", "order"),
    [("routine", "routine", [2, 1]), ("urgent", "urgent", [2, 1]), ("stat", "urgent", [2, 1])],
)
def test_pathway_lifts_to_what_was_activated_and_never_to_stat(
    lift_to: Tier, tier: str, order: list[int], tmp_path: Path
) -> None:
    with worklist_world(tmp_path, {"stroke": make_pathway(lift_to=lift_to)}) as world:
        world.activate()
        world.tell(make_study(1), make_study(2), make_answer(2, 0.99))

        assert world.row(2).tier == tier
        assert world.order() == order


def test_no_flag_gets_above_a_stat_of_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worst = make_pathway(lift_to="stat", harm_per_minute=1e9, reading_minutes=0.001)
    with worklist_world(tmp_path, {"stroke": worst}) as world:
        world.activate()
        world.tell(make_study(1), make_study(2), make_answer(2, 1.0))
        # Orders of people come with HL7; until then their tier is set where it will be read.
        monkeypatch.setattr(facts_store, "HUMAN_TIER_WITHOUT_ORDER", "stat")
        world.tell(make_study(9))

        assert world.order() == [9, 2, 1]
        assert [row.tier for row in world.rows()] == ["stat", "urgent", "routine"]


def test_flag_within_a_tier_never_takes_another_out_of_it(tmp_path: Path) -> None:
    with worklist_world(tmp_path) as world:
        world.activate("lung", "lung-nodule")
        world.tell(*(make_study(n, claims=[(1, "lung-nodule")]) for n in (1, 2, 3)))
        world.tell(make_answer(3, 0.99, pathway="lung-nodule", model="lung"))

        assert world.order() == [3, 1, 2]
        assert {row.tier for row in world.rows()} == {"routine"}


UNFLAGGED: dict[str, Sequence[FindingsScored]] = {
    "silent": (),
    "negative": (make_answer(2, 0.1),),
    "zero": (make_answer(2, 0.0),),
    "failed": (make_answer(2, state=ScoringState.FAILED),),
    "out_of_scope": (make_answer(2, state=ScoringState.OUT_OF_SCOPE),),
    "without_score": (make_answer(2, None),),
    "other_weights": (make_answer(2, 0.99, digest="f" * 64),),
}


@pytest.mark.parametrize("confirmed", [False, True])
@pytest.mark.parametrize("minutes", [0, 60])
@pytest.mark.parametrize("answers", UNFLAGGED.values(), ids=UNFLAGGED.keys())
def test_everything_without_a_flag_stands_by_arrival(
    answers: Sequence[FindingsScored], minutes: int, confirmed: bool, world: World
) -> None:
    world.activate()
    world.tell(make_study(1, claims=[]), make_study(2), make_study(3, claims=[]))
    world.tell(*answers)
    told: list[Record] = [make_confirmation(2)] if confirmed else []
    world.tell(*told)
    world.clock.advance(minutes * 60)
    world.ranking.step()

    assert world.order() == [1, 2, 3]
    assert {row.tier for row in world.rows()} == {"routine"}


def test_later_answer_without_a_flag_gives_back_the_place_by_arrival_and_no_lower(world: World) -> None:
    world.activate()
    world.tell(*(make_study(n) for n in (1, 2, 3)))
    world.tell(make_answer(2, 0.9))
    assert world.order() == [2, 1, 3]

    world.tell(make_answer(2, 0.1, revision=2))
    assert world.order() == [1, 2, 3]


def test_no_item_stands_lower_than_those_it_would_be_behind_without_ai(world: World) -> None:
    """Only flagged items pass others: whoever is passed is passed by a flag."""
    world.activate()
    world.activate("lung", "lung-nodule")
    names = sorted(PATHWAYS)
    models = {"stroke": "head", "lung-nodule": "lung"}
    for n in range(1, 13):
        name = names[n % 2]
        world.tell(make_study(n, claims=[(1, name)], arrived_at=NOON))
        world.tell(make_answer(n, (n * 7 % 10) / 10, pathway=name, model=models[name]))

    rows = world.rows()
    for place, row in enumerate(rows):
        for later in rows[place + 1 :]:
            assert row.rank_without_ai is not None
            assert later.rank_without_ai is not None
            if row.rank_without_ai > later.rank_without_ai:
                assert row.pathways[0].flagged
