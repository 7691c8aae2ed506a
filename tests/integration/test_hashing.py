"""Each instance of a manifest has the hash of its file as it was received, and of no file that lay there before."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import select

from ingest.hashing import Hasher
from ingest.tables import instance
from tests.integration.listening import Station, make_ct, make_stack, make_station, own_database
from voorrang.clock import ManualClock
from voorrang.dicom.manifest import decode_manifest

pytestmark = pytest.mark.integration


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    with own_database(tmp_path) as database:
        yield make_station(database, tmp_path / "data", clock)


def hashes(station: Station) -> dict[str, str]:
    """Return the hash of each instance, by its locator."""
    return {row.locator: row.content_sha256 for row in station.rows(select(instance))}


def on_disk(station: Station) -> dict[str, str]:
    """Return what they should be."""
    return {
        locator: sha256(station.runtime.archive.read(locator)).hexdigest()
        for locator in station.runtime.archive.instances()
    }


def test_the_manifest_has_the_hash_of_every_file(station: Station) -> None:
    station.receive(*make_stack(12))
    station.take_in()
    station.clock.advance(5)
    station.assembler.step()
    (event,) = station.events("series-completed")
    manifest = decode_manifest(station.runtime.archive.read(event.data.manifest))
    assert {entry.locator: entry.content_sha256 for entry in manifest} == on_disk(station)
    assert hashes(station) == on_disk(station)


def test_a_file_that_somebody_removed_and_that_is_sent_again_is_hashed_anew(station: Station) -> None:
    station.receive(*make_stack(2))
    station.take_in()
    hasher = Hasher(station.runtime)
    assert hasher.step()
    [first, _] = station.runtime.archive.instances()
    station.runtime.archive.path(first).unlink()
    station.receive(make_ct(1), calling="PACS")  # the file says who sent it, so it is another
    station.take_in()
    assert hasher.step()
    assert not hasher.step()
    assert hashes(station) == on_disk(station)


def test_a_file_that_is_gone_is_not_asked_for_again_and_again(station: Station) -> None:
    station.receive(*make_stack(2))
    station.take_in()
    [first, _] = station.runtime.archive.instances()
    station.runtime.archive.path(first).unlink()
    hasher = Hasher(station.runtime)
    assert hasher.step()
    assert not hasher.step()
    station.receive(make_ct(1))
    station.take_in()
    assert hasher.step()
    assert hashes(station) == on_disk(station)
