"""A judgement is about one finding: of one series, one revision of it, one run; another finding has none yet."""

from __future__ import annotations

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
from voorrang.events.reading_records import ShownAnswer
from voorrang.events.records import SeriesRejected
from worklist.reading.log import Reader

pytestmark = pytest.mark.integration

ANNA = Reader("anna", "radiologist")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A list of one exam of two series, the first flagged."""
    with worklist_world(tmp_path) as made:
        made.activate()
        made.tell(make_study(1, claims=[(1, "stroke"), (2, "stroke")]), make_answer(1, 0.8))
        yield made


def said(world: World) -> tuple[str, bool]:
    """Return what the list says of the last judgement, and whether it was about something else."""
    mark = world.row(1).reading
    return ("", False) if mark is None else (mark.judgement, mark.judged_before)


def reject(series: int = 1, revision: int = 1) -> SeriesRejected:
    return SeriesRejected(
        study_instance_uid=uid(1),
        series_instance_uid=uid(1, series),
        series_revision=revision,
        reason="quality",
        rejected_at=NOON,
    )


@pytest.mark.parametrize(
    "better", [{"revision": 2}, {"run": 2}, {"series": 2, "score": 0.95}], ids=["revision", "run", "series"]
)
def test_another_finding_of_the_same_word_was_not_judged(world: World, better: dict[str, Any]) -> None:
    world.reading.judge(uid(1), ANNA, "ai_wrong", "wrong_place")
    assert said(world) == ("ai_wrong", False)
    world.clock.advance(60)
    world.tell(make_answer(1, **({"score": 0.9} | better)))

    assert world.row(1).pathways[0].flagged
    assert said(world) == ("ai_wrong", True)


def test_nor_was_another_answer_without_a_flag(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with worklist_world(tmp_path / "other") as world:
        world.activate()
        world.tell(make_study(1), make_answer(1, 0.1), make_confirmation(1))
        world.reading.judge(uid(1), ANNA, "agree", None)
        world.tell(make_answer(1, 0.1))  # told again, it is the same one
        assert said(world) == ("agree", False)

        world.tell(make_confirmation(1, revision=2), make_answer(1, 0.2, revision=2))
        assert said(world) == ("agree", True)


def test_a_worse_finding_that_is_not_shown_changes_nothing(world: World) -> None:
    world.reading.judge(uid(1), ANNA, "agree", None)
    world.tell(make_answer(1, 0.6, series=2))

    assert said(world) == ("agree", False)


def test_the_event_says_which_finding_it_was(world: World) -> None:
    world.reading.open(uid(1), ANNA, "list")
    world.reading.judge(uid(1), ANNA, "agree", None)

    for event in (*world.announced("reading-opened"), *world.announced("finding-judged")):
        (shown,) = event.data.ai_shown
        assert (shown.series_instance_uid, shown.series_revision, shown.run) == (uid(1, 1), 1, 1)


def test_what_was_said_before_this_was_written_down_is_about_what_is_shown_still(world: World) -> None:
    with world.database.write() as connection:  # as a database of the version before
        connection.exec_driver_sql("UPDATE worklist_shown SET series_instance_uid = '', series_revision = 0, run = 0")
    world.reading.judge(uid(1), ANNA, "agree", None)
    assert said(world) == ("agree", False)
    world.tell(make_study(1, version=2, claims=[(1, "stroke"), (2, "stroke")]))

    assert said(world) == ("agree", False)
    (shown,) = world.announced("finding-judged")[-1].data.ai_shown
    assert shown == ShownAnswer(
        pathway="stroke", model_id="head", version_label="1.0", flagged=True, since=NOON.replace(minute=1)
    )


class TestRejectedImages:
    def test_of_another_series_void_nothing(self, world: World) -> None:
        world.tell(make_answer(1, 0.1, series=2))
        world.reading.judge(uid(1), ANNA, "agree", None)
        world.tell(reject(series=2))

        assert said(world) == ("agree", False)

    def test_of_a_revision_before_void_nothing_whenever_that_is_told(self, world: World) -> None:
        world.tell(make_answer(1, 0.9, revision=2))
        world.reading.judge(uid(1), ANNA, "agree", None)
        world.tell(reject(revision=1))  # it was on its way for longer

        assert said(world) == ("agree", False)
        world.tell(reject(revision=2))
        assert said(world) == ("", False)

    def test_told_once_more_long_after_void_nothing_that_was_said_since(self, world: World) -> None:
        world.tell(reject(), make_answer(1, 0.9, revision=2))
        world.reading.judge(uid(1), ANNA, "agree", None)
        with world.database.write() as connection:  # receipts are kept for some days
            connection.exec_driver_sql("DELETE FROM receipt")
        world.tell(reject())

        assert said(world) == ("agree", False)

    def test_void_what_was_said_though_no_pathway_wants_them_any_more(self, world: World) -> None:
        world.reading.judge(uid(1), ANNA, "agree", None)
        world.tell(make_study(1, version=2, claims=[(2, "stroke")]), reject())

        assert said(world) == ("", False)
