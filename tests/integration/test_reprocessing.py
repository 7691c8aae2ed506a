"""Another run of the models over what is complete: what is announced, and what waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from ingest import store
from ingest.tables import claim, series
from tests.integration.desks import (
    QUIET,
    SERIES,
    answer,
    complete,
    completed,
    do,
    let_pass,
    receive,
    station_with_commands,
    waiting,
)
from tests.integration.listening import Station
from voorrang.clock import ManualClock
from voorrang.errors import ConfigurationError, RetryableError
from voorrang.tables import outbox

pytestmark = pytest.mark.integration


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    with station_with_commands(tmp_path, clock, monkeypatch) as made:
        yield made


def claim_now(station: Station) -> Any:
    return station.rows(select(claim))[0]


def test_reprocess_announces_the_revision_once_more_under_another_run(station: Station) -> None:
    complete(station)
    do(station, "reprocess")
    first, second = completed(station)
    assert (first.run, second.run) == (1, 2)
    assert second == first.model_copy(update={"run": 2})
    assert len({event.id for event in station.events("series-completed")}) == 2
    assert claim_now(station).run == 2


def test_reprocess_waits_until_it_is_answered(station: Station) -> None:
    complete(station)
    assert waiting(station) == 12
    answer(station)
    assert waiting(station) == 0
    do(station, "reprocess")
    assert waiting(station) == 12
    answer(station, run=2)
    assert waiting(station) == 0


def test_an_answer_of_the_run_before_settles_nothing(station: Station) -> None:
    complete(station)
    do(station, "reprocess")
    answer(station, run=1)
    assert waiting(station) == 12
    answer(station, run=2)
    assert waiting(station) == 0


def test_the_age_of_what_is_awaited_begins_with_the_reprocess(station: Station) -> None:
    complete(station)
    answer(station)
    station.clock.advance(7200)
    do(station, "reprocess")
    with station.runtime.database.read() as connection:
        assert store.oldest_unanswered(connection, ["stroke"]) == station.clock.now()


def test_each_reprocess_adds_one(station: Station) -> None:
    complete(station)
    for _ in range(3):
        do(station, "reprocess", SERIES)
    assert [r.run for r in completed(station)] == [1, 2, 3, 4]


def test_a_revision_after_a_reprocess_is_answered_like_any_other(station: Station) -> None:
    complete(station)
    do(station, "reprocess")
    receive(station, 3, first=13)
    let_pass(station, QUIET)
    last = completed(station)[-1]
    assert last.series_revision == 2
    answer(station, run=2)
    assert waiting(station) == 15
    answer(station, run=last.run, revision=2)
    assert waiting(station) == 0


def test_reprocess_does_without_the_first_announcement(station: Station) -> None:
    complete(station)
    first = completed(station)[0]
    with station.runtime.database.write() as connection:
        connection.execute(delete(outbox))  # as pruning does after seven days
    do(station, "reprocess")
    (again,) = completed(station)
    same = (
        "series_instance_uid",
        "series_revision",
        "instances_digest",
        "instance_count",
        "manifest",
        "lane",
        "partial",
    )
    assert [getattr(again, name) for name in same] == [getattr(first, name) for name in same]
    assert again.run == 2


def test_the_manifest_is_there_again_for_a_reprocess(station: Station) -> None:
    complete(station)
    station.runtime.archive.path(completed(station)[0].manifest).unlink()
    do(station, "reprocess")
    assert station.runtime.archive.path(completed(station)[-1].manifest).is_file()


def test_what_still_waits_for_images_is_not_reprocessed(station: Station) -> None:
    receive(station, 3)
    with pytest.raises(ConfigurationError, match="waits for images"):
        do(station, "reprocess")


def test_what_no_pathway_wants_is_not_reprocessed(station: Station) -> None:
    receive(station, 3, BodyPartExamined="FOOT")
    with pytest.raises(ConfigurationError, match="no pathway wants it"):
        do(station, "reprocess")


def test_what_retention_took_is_not_reprocessed(station: Station) -> None:
    complete(station)
    with station.runtime.database.write() as connection:
        connection.execute(series.update().values(deleted_at=station.clock.now()))
    with pytest.raises(ConfigurationError, match="deleted by retention"):
        do(station, "reprocess")


def test_images_that_come_in_between_are_not_overlooked(station: Station) -> None:
    complete(station)
    with station.runtime.database.write() as connection:
        connection.execute(series.update().values(instances_digest="f" * 64))
    with pytest.raises(RetryableError, match="again"):
        do(station, "reprocess")
