"""The proof of minutes from what a running list stores: acts of readers, places, reports, prices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from alembic import command
from sqlalchemy import select, text

from tests.builders import make_event as make_event_of
from tests.builders import make_runtime, make_study_updated
from tests.integration.conftest import FreshDatabase
from tests.integration.test_orders_on_the_list import ORDER, order, report, tell
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
from voorrang.__main__ import main
from voorrang.events.records import ComputeUse, OrderPlaced
from voorrang.migrating import _config
from worklist.handlers import handlers
from worklist.minutes import history
from worklist.minutes.figures import Measure
from worklist.minutes.report import Minutes, Report
from worklist.minutes.tables import placed
from worklist.minutes.telling_apart import LONGEST
from worklist.ranking import Ranking
from worklist.reading.claims import CLAIM_MINUTES
from worklist.reading.log import Reader

pytestmark = pytest.mark.integration

ANNA, BRAM = Reader("anna", "radiologist"), Reader("bram", "resident")
BEGIN = 2.0  # minutes after noon: the world's clock begins at one


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with worklist_world(tmp_path) as made:
        made.activate()
        yield made


def go_to(world: World, minutes: float) -> None:
    """Let the clock stand so many minutes after the beginning."""
    world.clock.advance((NOON + timedelta(minutes=BEGIN + minutes) - world.clock.now()).total_seconds())


def comes(world: World, number: int, minutes: float) -> None:
    world.tell(make_study(number, minutes=BEGIN + minutes))


def proof(world: World, until: datetime | None = None) -> Report:
    return Minutes(world.database, world.clock, ZoneInfo("UTC")).report(NOON, until)


def saved(found: Report) -> dict[int, float]:
    return {int(one.item_key.split(".")[-1]): one.minutes_saved for one in found.items}


def figure(found: Report, measure: Measure, pathway: str | None = None) -> tuple[int, float]:
    (one,) = [f for f in found.figures if (f.measure, f.pathway, f.week) == (measure, pathway, None)]
    return one.exams, one.minutes


def the_day_counted_by_hand(world: World) -> None:
    """Let two readers read six exams, by `next`; the fifth is flagged (see the unit test of the replay)."""

    def reads_on(reader: Reader, before: int, expected: int) -> None:
        world.done(uid(before), reader)
        assert world.reading.open_next(reader).item_key == uid(expected)

    go_to(world, 0)
    comes(world, 1, 0)
    comes(world, 2, 0)
    assert world.reading.open_next(ANNA).item_key == uid(1)
    assert world.reading.open_next(BRAM).item_key == uid(2)
    for number, minutes in [(3, 1), (4, 2), (5, 3), (6, 4)]:
        go_to(world, minutes)
        comes(world, number, minutes)
    go_to(world, 5)
    world.tell(make_answer(5, 0.9).model_copy(update={"computing": COMPUTING}))
    for minutes, reader, before, expected in [
        (6, BRAM, 2, 5),
        (10, ANNA, 1, 3),
        (16, ANNA, 3, 4),
        (18, BRAM, 5, 6),
    ]:
        go_to(world, minutes)
        reads_on(reader, before, expected)
    go_to(world, 20)
    world.done(uid(4), ANNA)
    go_to(world, 23)
    world.done(uid(6), BRAM)


COMPUTING = ComputeUse(seconds=20.0, device="cpu", precision="float32", cost=0.3)


def test_the_day_counted_by_hand_comes_out_of_what_is_stored(world: World) -> None:
    the_day_counted_by_hand(world)
    go_to(world, 30)
    found = proof(world)

    assert saved(found) == {1: 0, 2: 0, 3: -4, 4: -6, 5: 6, 6: -4}
    assert (found.adherence.openings, found.adherence.followed, found.adherence.by_next) == (6, 6, 6)
    assert figure(found, Measure.SAVED_BY_POSITIVES, "stroke") == (1, 6)
    assert figure(found, Measure.LOST_BY_REST) == (5, 14)
    assert figure(found, Measure.LOST_TO_LATENCY) == (1, 0)
    assert (found.exams.came, found.exams.read_here, found.compared) == (6, 6, 6)
    (stroke,) = found.costs
    assert (stroke.answers, stroke.cost) == (1, 0.3)
    assert stroke.per_minute_saved is not None
    assert stroke.per_minute_saved.estimate == pytest.approx(0.05)


def test_a_period_is_that_of_arrivals_and_what_was_read_after_it_counts(world: World) -> None:
    the_day_counted_by_hand(world)
    go_to(world, 60)

    early = proof(world, NOON + timedelta(minutes=BEGIN + 3.5))
    assert saved(early) == {1: 0, 2: 0, 3: -4, 4: -6, 5: 6}
    assert (early.exams.came, early.exams.read_here, early.exams.waiting, early.compared) == (5, 5, 0, 5)
    late = Minutes(world.database, world.clock, ZoneInfo("UTC")).report(NOON + timedelta(minutes=BEGIN + 3))
    assert saved(late) == {5: 6, 6: -4}


def test_a_reported_flag_that_its_reader_agreed_with_is_a_true_positive_until_taken_back(world: World) -> None:
    go_to(world, 0)
    comes(world, 1, 0)
    comes(world, 2, 0)
    world.tell(make_answer(2, 0.9))
    go_to(world, 1)
    assert world.reading.open_next(ANNA).item_key == uid(2)
    world.reading.judge(uid(2), ANNA, "agree", None)
    go_to(world, 9)
    tell(world, report(stated_at=world.clock.now(), study_instance_uids=(uid(2),)), "r_1", "")
    world.reading.open_next(ANNA)
    go_to(world, 15)
    world.done(uid(1), ANNA)
    found = proof(world)

    assert saved(found) == {1: -8, 2: 6}
    assert (found.positives_reported, found.positives_confirmed) == (1, 1)
    assert figure(found, Measure.SAVED_BY_TRUE_POSITIVES) == (1, 6)
    world.reading.undo(uid(2), ANNA)
    assert figure(proof(world), Measure.SAVED_BY_TRUE_POSITIVES) == (0, 0)


def test_a_model_that_is_suspended_while_its_flag_is_read_takes_no_flag_back(world: World) -> None:
    go_to(world, 0)
    comes(world, 1, 0)
    comes(world, 2, 0)
    world.tell(make_answer(2, 0.9))
    go_to(world, 1)
    assert world.reading.open_next(ANNA).item_key == uid(2)
    go_to(world, 4)
    world.suspend()
    world.ranking.step()
    go_to(world, 9)
    world.done(uid(2), ANNA)
    world.reading.open_next(ANNA)
    go_to(world, 15)
    world.done(uid(1), ANNA)
    found = proof(world)

    assert saved(found) == {1: -8, 2: 6}
    assert (figure(found, Measure.SAVED_BY_POSITIVES), figure(found, Measure.LOST_BY_REST)) == ((1, 6), (1, 8))


def test_exams_read_elsewhere_withdrawn_or_unread_are_counted_and_not_compared(world: World) -> None:
    go_to(world, 0)
    for number in (1, 2, 3, 4):
        comes(world, number, 0)
    go_to(world, 1)
    world.reading.open(uid(1), ANNA, "list")
    go_to(world, 8)
    world.done(uid(1), ANNA)
    tell(world, report(stated_at=world.clock.now(), study_instance_uids=(uid(2),)), "r_2", "")
    world.tell(make_study(3, version=2, minutes=BEGIN).model_copy(update=WITHDRAWN))
    found = proof(world)

    assert (found.exams.came, found.exams.read_here, found.exams.read_elsewhere) == (4, 1, 1)
    assert (found.exams.withdrawn, found.exams.waiting) == (1, 1)
    assert set(saved(found)) == {1}


WITHDRAWN = {"withdrawn": "quality", "withdrawn_at": NOON + timedelta(minutes=9)}


def test_an_order_that_comes_after_its_images_takes_their_history_and_their_reading_along(world: World) -> None:
    go_to(world, 0)
    comes(world, 1, 0)
    go_to(world, 3)
    assert world.reading.open_next(ANNA).item_key == uid(1)
    go_to(world, 5)
    tell(world, order(OrderPlaced, study_instance_uids=(uid(1),)))
    go_to(world, 9)
    world.done(ORDER, ANNA)
    found = proof(world)
    (row,) = found.items

    assert (found.exams.came, found.exams.read_here, found.exams.read_elsewhere) == (1, 1, 0)
    assert (row.item_key, row.opened_at) == (ORDER, NOON + timedelta(minutes=BEGIN + 3))
    assert row.followed


def test_an_answer_about_a_stat_exam_counts_when_it_was_shown_before_the_exam_was_opened(world: World) -> None:
    go_to(world, 0)
    for number in (1, 2):
        key = f"o_{number}"
        tell(world, order(OrderPlaced, urgency="stat", study_instance_uids=(uid(number),)), key, key)
        comes(world, number, 0)
    world.tell(make_answer(1, 0.1), make_confirmation(1), make_answer(2, 0.1))  # the second is provisional: not shown
    go_to(world, 2)
    for reader, key in ((ANNA, "o_1"), (BRAM, "o_2")):
        assert world.reading.open_next(reader).item_key == key
    go_to(world, 6)
    for reader, key in ((ANNA, "o_1"), (BRAM, "o_2")):
        world.done(key, reader)
    (stroke,) = proof(world).stat_before_first_open

    assert (stroke.exams, stroke.with_answer) == (2, 1)


def test_a_place_is_written_once_for_each_change_and_never_again(world: World) -> None:
    go_to(world, 0)
    comes(world, 1, 0)
    go_to(world, 1)
    world.tell(make_answer(1, 0.9))
    event = make_event(make_answer(1, 0.9))
    world.handle_by_type[event.type](event)
    go_to(world, 2)
    world.ranking.rank_all([uid(1)])
    world.suspend()
    world.ranking.step()
    with world.database.read() as connection:
        exam = history.exams(connection, [uid(1)])[uid(1)]

    words = [next(iter(one.said.values())).value for one in exam.history]
    assert words == ["nothing", "flagged", "nothing"]
    assert [one.place < one.without_ai for one in exam.history] == [False, True, False]


def test_a_prior_has_no_place_to_write(world: World) -> None:
    world.tell(make_study(1, prior=True))
    with world.database.read() as connection:
        assert connection.execute(select(placed)).all() == []


def test_the_api_and_the_command_say_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    the_day_counted_by_hand(world)
    go_to(world, 30)
    with serving(world) as server, httpx.Client(base_url=server.address, timeout=20) as client:
        answered = client.get("/api/worklist/minutes")
        wrong = client.get("/api/worklist/minutes", params={"days": 0})
    assert (answered.status_code, wrong.status_code) == (200, 422)

    monkeypatch.setenv("VOORRANG_DATA_DIR", str(world.runtime.settings.data_dir))
    monkeypatch.setenv("VOORRANG_TIME_ZONE", "UTC")
    assert main(["minutes", "--json", "--since", "2026-11-02", "--until", "2026-11-02"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert _plain(said["figures"]) == _plain(answered.json()["figures"])
    assert [one["minutes_saved"] for one in said["items"]] == [0, 0, 6, -4, -6, -4]

    assert main(["minutes", "--since", "2026-11-02", "--until", "2026-11-02"]) == 0
    told = capsys.readouterr().out
    assert "the order was followed in 6 of 6 openings (100%, too few days for an interval)" in told
    assert "saved, flagged exams" in told
    assert "+6.0 min in all" in told
    assert "cost 0.3, 0.05 a minute saved" in told


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (["--since", "yesterday"], "yesterday is not a date such as 2026-11-01"),
        (["--until", "2026-02-30"], "2026-02-30 is not a date such as 2026-11-01"),
        (["--since", "0001-01-01"], "not a day of these centuries"),
        (["--since", "2026-11-03", "--until", "2026-11-01"], "--since 2026-11-03 is after the end of the period"),
        (["--since", "2999-01-01"], "--since 2999-01-01 is after the end of the period"),
    ],
)
def test_a_wrong_period_is_a_mistake_of_usage_and_says_which(
    wrong: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["minutes", *wrong])

    assert ended.value.code == 2
    assert why in capsys.readouterr().err


def test_without_a_beginning_the_period_is_the_four_weeks_before_its_end(world: World) -> None:
    go_to(world, 0)
    found = Minutes(world.database, world.clock, ZoneInfo("Europe/Brussels"))
    asked = found.report(until=datetime(2026, 11, 2, tzinfo=ZoneInfo("Europe/Brussels")))

    assert (asked.since, asked.until) == (
        datetime(2026, 10, 4, 22, tzinfo=UTC),  # midnight of 5 October, in summer time
        datetime(2026, 11, 1, 23, tzinfo=UTC),
    )
    assert found.report(days=1).since == datetime(2026, 10, 31, 23, tzinfo=UTC)


def test_a_reading_that_nobody_closed_lasts_as_long_as_a_claim_does() -> None:
    assert timedelta(minutes=CLAIM_MINUTES) == LONGEST


def _plain(figures: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(one["measure"], one["pathway"], one["week"], one["exams"], one["minutes"]) for one in figures]


def test_without_anything_read_there_is_nothing_to_tell_and_no_error(world: World) -> None:
    go_to(world, 0)
    comes(world, 1, 0)
    go_to(world, 1)
    found = proof(world)
    assert (found.compared, found.exams.waiting, found.items, found.costs) == (0, 1, (), ())
    assert all(one.minutes_per_exam is None for one in found.figures)


def test_the_list_as_it_was_before_the_migration_has_its_places(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    with fresh_database() as database:
        runtime = make_runtime("worklist", database, tmp_path)
        handle = handlers(runtime, Ranking(runtime))["study-updated"]
        handle(make_event_of(make_study_updated(study_instance_uid="1.2.3.1"), subject="1.2.3.1", order_key=""))
        with database.read() as connection:
            before = history.exams(connection, ["1.2.3.1"])["1.2.3.1"]
        try:
            _migrate(database, "downgrade", "worklist_0003_reading")
        finally:
            _migrate(database, "upgrade", "heads")
        with database.read() as connection:
            after = history.exams(connection, ["1.2.3.1"])["1.2.3.1"]
            assert connection.execute(text("SELECT count(*) FROM worklist_placed")).scalar_one() == 1

    assert after == before


def test_the_migration_writes_the_loudest_word_of_a_pathway_as_ranking_does(world: World) -> None:
    go_to(world, 0)
    tell(world, order(OrderPlaced, study_instance_uids=(uid(1), uid(2))))
    for number in (1, 2):
        comes(world, number, 0)
    world.tell(make_answer(1, 0.9))  # the other has no answer yet
    _migrate(world.database, "downgrade", "worklist_0003_reading")
    _migrate(world.database, "upgrade", "heads")
    with world.database.read() as connection:
        (last,) = history.exams(connection, [ORDER])[ORDER].history

    assert last.said == {"stroke": "flagged"}


def _migrate(database: Any, verb: str, target: str) -> None:
    config = _config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        getattr(command, verb)(config, target)
