"""Rule 3: an item is what gets one report, and every acquired exam has one."""

from __future__ import annotations

import pytest

from tests.integration.worklist_world import KEYS, World, make_answer, make_study, uid

ORDER = KEYS.order_key("HOSP", "ACC1")
OTHER = KEYS.order_key("HOSP", "ACC2")


def test_studies_of_one_order_are_one_item(world: World) -> None:
    world.tell(make_study(1), make_study(2), order_key=ORDER)

    (row,) = world.rows()
    assert row.item_key == ORDER
    assert row.study_instance_uids == (uid(1), uid(2))


def test_studies_of_two_orders_are_two_items(world: World) -> None:
    world.tell(make_study(1), order_key=ORDER)
    world.tell(make_study(2), order_key=OTHER)

    assert [row.item_key for row in world.rows()] == [ORDER, OTHER]


def test_studies_without_an_order_are_items_of_their_own(world: World) -> None:
    world.tell(make_study(1), make_study(2))

    assert [row.item_key for row in world.rows()] == [uid(1), uid(2)]


def test_flag_in_one_study_lifts_the_whole_order(world: World) -> None:
    world.activate()
    world.tell(make_study(1))
    world.tell(make_study(2), make_study(3), order_key=ORDER)
    world.tell(make_answer(2, 0.1), make_answer(3, 0.9))

    first = world.rows()[0]
    assert (first.item_key, first.tier, first.arrived_at) == (ORDER, "urgent", world.rows()[0].arrived_at)
    assert [pathway.flagged for pathway in first.pathways] == [True, False]


def test_order_arrives_with_its_first_study(world: World) -> None:
    world.tell(make_study(5), order_key=ORDER)
    world.tell(make_study(3))
    world.tell(make_study(1), order_key=ORDER)

    assert [row.item_key for row in world.rows()] == [ORDER, uid(3)]


@pytest.mark.parametrize("claims", [[], [(1, "a-pathway-of-another-site")]])
def test_exam_that_no_pathway_wants_has_an_item_and_a_place(claims: list[tuple[int, str]], world: World) -> None:
    world.activate()
    world.tell(make_study(1, claims=claims), make_study(2))

    row = world.row(1)
    assert (row.rank, row.state, row.reason) == (1, "no_pathway", "no pathway wants this study: not analysed")


def test_exam_has_an_item_before_any_model_is_active(world: World) -> None:
    world.tell(make_study(1))

    assert world.row(1).rank == 1


def test_answer_that_comes_before_its_study_waits_for_it(world: World) -> None:
    world.activate()
    world.tell(make_answer(1, 0.9))
    assert world.rows() == []

    world.tell(make_study(1))
    assert world.row(1).tier == "urgent"
