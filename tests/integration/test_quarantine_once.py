"""A sender tries again and again what is refused again and again: its bytes are kept, and listed, once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest import quarantine
from ingest.admission import Request, StoreStatus
from ingest.tally import Count
from tests.integration.desks import BY, desk_of, station_with_commands
from tests.integration.knocking import parts
from tests.integration.listening import CT, EXPLICIT_LITTLE, Station, data_set_of, encoded, listening, make_ct
from voorrang.archive import Archive
from voorrang.clock import ManualClock

pytestmark = pytest.mark.integration

ANNOUNCED = "1.2.3"
TRIES = 5
SIZES = [32, 5_000_000]  # in memory, and in a part file


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    with station_with_commands(tmp_path, clock, monkeypatch) as made:
        yield made


def is_refused(station: Station, announced: str = ANNOUNCED, calling: str = "CT-7", size: int = 32) -> bool:
    """Send an instance under another UID than its own; tell whether it was refused."""
    request = Request(CT, announced, calling, "VOORRANG")
    data_set = encoded(make_ct(PixelData=bytes(size)))
    status = station.receiver.receive(request, EXPLICIT_LITTLE, data_set)
    station.take_in()
    return status != StoreStatus.SUCCESS


def kept(station: Station) -> list[Path]:
    """Return the files in quarantine that are no reasons."""
    folder = station.runtime.archive.root / "quarantine"
    return sorted(path for path in folder.glob("*") if path.suffix != ".reason")


def listed(station: Station) -> list[int]:
    """Return the numbers of what waits in quarantine and has its bytes."""
    return [one.row.id for one in quarantine.kept(desk_of(station)) if one.size_bytes is not None]


@pytest.mark.parametrize("size", SIZES)
def test_the_same_bytes_refused_again_are_kept_and_listed_once_and_counted_each_time(
    station: Station, size: int
) -> None:
    assert all(is_refused(station, size=size) for _ in range(TRIES))
    (path,) = kept(station)
    assert data_set_of(path.read_bytes()) == encoded(make_ct(PixelData=bytes(size)))
    assert path.with_suffix(".reason").read_text() == "sop_instance_uid_differs"
    assert len(listed(station)) == 1
    assert station.receiver.tally.read(Count.REFUSED) == TRIES
    assert parts(station) == []


def test_other_reasons_and_other_senders_have_copies_of_their_own(station: Station) -> None:
    assert is_refused(station)
    assert is_refused(station, announced="1.2/3")
    assert is_refused(station, calling="CT-8")
    assert len(kept(station)) == len(listed(station)) == 3


def prepared(root: Path) -> Archive:
    archive = Archive(root)
    archive.prepare()
    return archive


def test_one_bytes_for_two_reasons_keep_both(tmp_path: Path) -> None:
    archive = prepared(tmp_path)
    one, other = archive.quarantine(b"bad", "a reason"), archive.quarantine(b"bad", "another")
    assert [archive.path(locator).with_suffix(".reason").read_text() for locator in (one, other)] == [
        "a reason",
        "another",
    ]


def test_a_part_file_and_memory_with_the_same_bytes_are_one(tmp_path: Path) -> None:
    archive, part = prepared(tmp_path), tmp_path / "incoming" / "part"
    locators = []
    for _ in range(2):
        part.write_bytes(b"bad")
        locators.append(archive.quarantine_part(part, "a reason"))
    assert {*locators, archive.quarantine(b"bad", "a reason")} == {locators[0]}
    assert not part.exists()


def test_what_comes_again_after_it_was_discarded_is_kept_and_listed_anew(station: Station) -> None:
    assert is_refused(station)
    (before,) = listed(station)
    quarantine.discard(desk_of(station), before, BY)
    assert kept(station) == []
    assert is_refused(station)
    (after,) = listed(station)
    assert after > before
    assert len(kept(station)) == 1


def test_a_replay_that_is_refused_again_adds_nothing(station: Station) -> None:
    assert is_refused(station)
    (number,) = listed(station)
    with listening(station):
        accepted, _ = quarantine.replay(desk_of(station), number, BY)
    station.take_in()
    assert not accepted
    assert listed(station) == [number]
    assert len(kept(station)) == 1


def test_many_at_once_are_one(tmp_path: Path) -> None:
    archive = prepared(tmp_path)
    with ThreadPoolExecutor(TRIES) as senders:
        locators = set(senders.map(lambda _: archive.quarantine(b"bad" * 1_000, "a reason"), range(10 * TRIES)))
    (locator,) = locators
    assert archive.read(locator) == b"bad" * 1_000
    assert list(archive.incoming.iterdir()) == []


def test_a_copy_that_is_there_wants_no_room(tmp_path: Path) -> None:
    archive = prepared(tmp_path)
    locator = archive.quarantine(b"bad", "a reason")
    archive.reserve_bytes = 10**18
    assert archive.quarantine(b"bad", "a reason") == locator
