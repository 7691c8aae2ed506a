"""A note that cannot be read rejects nothing, and nothing waits for it; it is shown to a person, and read again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset
from sqlalchemy import select

from ingest import patient_reading, quarantine, reading_notes, rejecting
from ingest.admission import Request, StoreStatus
from ingest.reading_notes import NOTE_NOT_READ
from ingest.rejection_notes import KEY_OBJECT_SELECTION, rejection_note
from ingest.tables import instance
from tests.integration.desks import ACTOR, BY, acts, complete, desk_of, station_with_commands
from tests.integration.listening import AE_TITLE, EXPLICIT_LITTLE, STUDY, Station, encoded, make_ct
from tests.integration.permissions import not_given
from tests.integration.test_rejection_notes import make_note, rejected
from voorrang.__main__ import main
from voorrang.archive import Archive, ArchiveFullError
from voorrang.clock import ManualClock
from voorrang.errors import ConfigurationError
from voorrang.purpose import Purpose

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore::UserWarning")]

TITLE = b"\x40\x00\x43\xa0"  # (0040,A043) Concept Name Code Sequence


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    titles = {AE_TITLE: Purpose.CLINICAL, "VOORRANG-QA": Purpose.QA}
    with station_with_commands(tmp_path, clock, monkeypatch, ae_titles=titles) as made:
        yield made


def receive_odd(station: Station, note: Dataset, called: str = AE_TITLE) -> None:
    """Receive a note whose title has a VR that is none."""
    request = Request(KEY_OBJECT_SELECTION, str(note.SOPInstanceUID), "SCANNER", called)
    odd = encoded(note).replace(TITLE + b"SQ", TITLE + b"ZZ")
    assert station.receiver.receive(request, EXPLICIT_LITTLE, odd) == StoreStatus.SUCCESS


def waiting(station: Station) -> list[quarantine.Kept]:
    return quarantine.kept(desk_of(station))


def fix_reading(monkeypatch: pytest.MonkeyPatch, note: Dataset) -> None:
    """Let this version read what the one before could not."""
    monkeypatch.setattr(reading_notes, "rejection_note", lambda _: rejection_note(note))


def test_a_note_that_cannot_be_read_is_an_instance_like_any_other(station: Station) -> None:
    ct = make_ct(1)
    note = make_note(ct)
    receive_odd(station, note)
    station.receive(ct)
    station.take_in()
    found = {row.sop_instance_uid for row in station.rows(select(instance.c.sop_instance_uid))}
    assert found == {str(note.SOPInstanceUID), str(ct.SOPInstanceUID)}


def test_a_person_sees_that_it_was_not_read(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    receive_odd(station, make_note(make_ct(1)))
    station.take_in()
    (kept,) = waiting(station)
    assert (kept.row.reason, kept.row.sender, kept.row.status) == (NOTE_NOT_READ, "SCANNER", 0)
    assert kept.row.locator not in station.stored()
    assert main(["ingest", "quarantine", "show", str(kept.row.id)]) == 0
    text = capsys.readouterr().out
    assert "may reject images" in text
    assert "Key Object Selection" in text
    assert STUDY not in text


def test_it_waits_once_however_often_it_is_sent(station: Station) -> None:
    for _ in range(3):
        receive_odd(station, make_note(make_ct(1)))
        station.take_in()
    assert len(waiting(station)) == 1


def test_one_that_is_far_too_large_is_not_read_by_itself(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    complete(station)
    note = make_note(make_ct(1))
    monkeypatch.setattr(rejecting, "MAX_NOTE_BYTES", len(encoded(note)))  # the file has a head beside that
    station.receive(note)
    station.take_in()
    assert rejected(station) == []
    (kept,) = waiting(station)
    assert (kept.row.reason, kept.row.locator in station.stored()) == (NOTE_NOT_READ, True)
    assert main(["ingest", "quarantine", "replay", str(kept.row.id), *ACTOR]) == 0
    assert rejected(station) == [(1, "quality")]
    assert kept.row.locator in station.stored()


def test_what_came_for_another_purpose_rejects_nothing_and_waits_for_nobody(station: Station) -> None:
    receive_odd(station, make_note(make_ct(1)), called="VOORRANG-QA")
    station.take_in()
    assert waiting(station) == []


def test_read_again_by_a_version_that_can_it_rejects_as_if_it_came_now(
    station: Station, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    complete(station)
    note = make_note(make_ct(1))
    receive_odd(station, note)
    station.take_in()
    assert rejected(station) == []
    fix_reading(monkeypatch, note)
    (kept,) = waiting(station)
    assert main(["ingest", "quarantine", "replay", str(kept.row.id), *ACTOR]) == 0
    assert rejected(station) == [(1, "quality")]
    assert station.events("study-updated")[-1].data.claims[0].open
    assert waiting(station) == []
    assert not (station.runtime.archive.root / kept.row.locator).exists()
    assert [act[0] for act in acts(station)] == ["quarantine-replay"]
    assert "read" in capsys.readouterr().out
    assert len(station.stored()) == 13


def test_read_again_by_the_same_version_it_stays_and_the_try_is_written_down(station: Station) -> None:
    receive_odd(station, make_note(make_ct(1)))
    station.take_in()
    (kept,) = waiting(station)
    was_accepted, words = quarantine.replay(desk_of(station), kept.row.id, BY)
    assert not was_accepted
    assert "stays" in words
    assert [one.row.id for one in waiting(station)] == [kept.row.id]
    assert len(acts(station)) == 1


def test_all_are_read_again_without_a_listener(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    complete(station)
    note = make_note(make_ct(1))
    receive_odd(station, note)
    station.take_in()
    fix_reading(monkeypatch, note)
    assert main(["ingest", "quarantine", "replay", "--all", *ACTOR]) == 0
    assert rejected(station) == [(1, "quality")]


def test_discarded_the_instance_stays_in_the_archive(station: Station) -> None:
    receive_odd(station, make_note(make_ct(1)))
    station.take_in()
    (kept,) = waiting(station)
    quarantine.discard(desk_of(station), kept.row.id, BY)
    assert waiting(station) == []
    assert len(station.stored()) == 1


def full(_: Archive, content: bytes, reason: str) -> str:
    raise ArchiveFullError("no room")


def test_without_room_for_a_copy_it_is_shown_where_it_lies_and_never_removed_from_there(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive_odd(station, make_note(make_ct(1)))
    with monkeypatch.context() as patch:
        patch.setattr(Archive, "quarantine", full)
        station.take_in()
    (kept,) = waiting(station)
    assert [kept.row.locator] == station.stored()
    quarantine.discard(desk_of(station), kept.row.id, BY)
    assert [kept.row.locator] == station.stored()


def test_one_that_the_disk_does_not_give_is_shown_too_and_read_when_it_does(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete(station)
    monkeypatch.setattr(patient_reading, "PATIENCE_SECONDS", 0.0)
    note = make_note(make_ct(1))
    before = station.stored()
    station.receive(note)
    (locator,) = set(station.stored()) - set(before)
    with not_given(station.runtime.archive.path(locator)):
        station.take_in()
        (kept,) = waiting(station)
        with pytest.raises(ConfigurationError, match="cannot be read"):
            quarantine.replay(desk_of(station), kept.row.id, BY)
    assert quarantine.replay(desk_of(station), kept.row.id, BY)[0]
    assert rejected(station) == [(1, "quality")]
    assert locator in station.stored()
