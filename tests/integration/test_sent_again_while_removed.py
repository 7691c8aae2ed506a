"""What is sent again while retention removes its first copy is stored when it was answered Success."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from sqlalchemy import delete, select

from ingest import removing, retention_store
from ingest.admission import StoreStatus
from ingest.deleting import decide
from ingest.listening.journaling import Journal
from ingest.removing import finish_removals
from ingest.retaining import RetentionWorker
from ingest.tables import instance, removal
from tests.integration.desks import desk_of
from tests.integration.listening import Station, make_ct, make_station, own_database
from tests.integration.retention_world import Killed
from voorrang.archive.setting_apart import set_apart
from voorrang.clock import ManualClock
from voorrang.errors import RetryableError

pytestmark = pytest.mark.integration

DAYS = 15  # what no pathway claims goes after 14


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    with own_database(tmp_path) as database:
        made = make_station(database, tmp_path / "data", clock)
        made.receive(*make_old())
        made.take_in()
        clock.advance(DAYS * 86_400)
        yield made


def make_old(**elements: Any) -> list[Dataset]:
    """Make two images that no pathway claims."""
    return [make_ct(number, Modality="MR", **elements) for number in (1, 2)]


def retain(station: Station) -> None:
    """Let retention do its work, as after a start."""
    RetentionWorker(desk_of(station), lambda: 10**12).step()


def kept(station: Station) -> set[str]:
    """Return the locators on disk, each of which has its row."""
    station.take_in()
    assert {row.locator for row in station.rows(select(instance.c.locator))} == set(station.stored())
    assert station.rows(select(removal)) == []
    return set(station.stored())


def test_left_alone_both_go(station: Station) -> None:
    retain(station)
    assert kept(station) == set()


def test_what_was_answered_and_is_not_taken_in_stays(station: Station) -> None:
    first, _ = station.stored()
    assert station.receive(make_old()[0]) == [StoreStatus.SUCCESS]
    retain(station)
    assert kept(station) == {first}


def test_what_is_removed_before_the_answer_is_refused_and_stored_when_it_is_sent_once_more(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = station.stored()
    record = Journal.record

    def overtaken(journal: Journal, *what: Any) -> None:
        retain(station)
        record(journal, *what)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "record", overtaken)
        assert station.receive(make_old()[0]) == [StoreStatus.OUT_OF_RESOURCES]
    assert kept(station) == set()
    assert station.receive(make_old()[0]) == [StoreStatus.SUCCESS]
    assert kept(station) == {first}


@pytest.mark.parametrize("is_taken_in", [False, True], ids=["in the ledger", "with a row"])
def test_what_came_anew_after_a_kill_that_left_it_on_the_list_stays(
    station: Station, monkeypatch: pytest.MonkeyPatch, is_taken_in: bool
) -> None:
    first, _ = station.stored()

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(retention_store, "forget_removals", killed)
        with pytest.raises(Killed):
            retain(station)
    assert station.receive(make_old()[0]) == [StoreStatus.SUCCESS]
    if is_taken_in:
        station.take_in()
    retain(station)
    assert kept(station) == {first}


def begin(station: Station) -> None:
    """Let retention be killed when everything is apart and nothing is decided."""
    (candidate,) = RetentionWorker(desk_of(station), lambda: 10**12).preview().deletions
    assert decide(desk_of(station), candidate.candidate) is not None
    for locator in station.stored():
        set_apart(station.runtime.archive, locator)


def test_intake_waits_for_what_is_apart_and_gives_it_its_row_when_it_is_back(station: Station) -> None:
    first, _ = station.stored()
    station.receive(make_old()[0])
    begin(station)
    with pytest.raises(RetryableError):
        station.take_in()
    assert station.rows(select(instance)) == []
    finish_removals(desk_of(station))
    assert kept(station) == {first}


def test_two_that_came_meanwhile_with_other_bytes_are_both_there(station: Station) -> None:
    first, _ = station.stored()
    whole = station.runtime.archive.read(first)
    station.receive(make_old()[0])
    begin(station)
    assert station.receive(make_old(PixelData=b"\1" * 32)[0]) == [StoreStatus.SUCCESS]
    finish_removals(desk_of(station))
    assert len(station.stored()) == 2
    assert whole in [station.runtime.archive.read(locator) for locator in station.stored()]


def test_what_a_kill_left_apart_is_dropped_when_nobody_lists_it(station: Station) -> None:
    begin(station)
    with station.runtime.database.write() as connection:
        connection.execute(delete(removal))
    finish_removals(desk_of(station))
    assert [path for path in station.runtime.archive.root.rglob("*") if path.parent.name == "removing"] == []


def test_nothing_is_removed_before_the_log_is_brought_back_after_a_crash_of_the_machine(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removing, "is_restored", lambda *_: False)
    before = station.stored()
    with pytest.raises(RetryableError):
        retain(station)
    assert station.stored() == before
