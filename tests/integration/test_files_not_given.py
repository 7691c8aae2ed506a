"""A file that the disk does not give is named in the log; nothing else waits for it for long."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import select

from inference.archived_series import read_archived
from inference.failures import Failure
from inference.reading import AS_IT_IS
from ingest import patient_reading
from ingest.hashing import Hasher
from ingest.recovery import recover
from ingest.tables import instance
from tests.integration.desks import QUIET, completed, do, let_pass
from tests.integration.inference.faulty_models import Faulty
from tests.integration.listening import STUDY, Station, make_ct, make_stack, make_station, own_database
from tests.integration.permissions import not_given
from voorrang.clock import ManualClock
from voorrang.dicom.manifest import decode_manifest
from voorrang.errors import RetryableError
from voorrang.identity import look_up

pytestmark = pytest.mark.integration

SERIES = f"{STUDY}.1"


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    with own_database(tmp_path) as database:
        made = make_station(database, tmp_path / "data", clock)
        made.runtime.stop.set()  # it waits for no disk
        yield made


def hashes(station: Station) -> dict[str, str]:
    """Return the hash of each instance, by its locator."""
    return {row.locator: row.content_sha256 for row in station.rows(select(instance))}


def on_disk(station: Station) -> dict[str, str]:
    """Return what they should be."""
    return {one: sha256(station.runtime.archive.read(one)).hexdigest() for one in station.stored()}


def first_file(station: Station) -> Path:
    return station.runtime.archive.path(station.stored()[0])


def test_the_others_are_hashed_and_it_is_when_its_series_is_complete(station: Station) -> None:
    station.receive(*make_stack(3))
    station.take_in()
    hasher = Hasher(station.runtime)
    with not_given(first_file(station)):
        assert hasher.step()
        assert not hasher.step()
        known = hashes(station)
        assert sum(known[locator] == right for locator, right in on_disk_but_for_the_first(station).items()) == 2
    hasher.finish_series(SERIES)
    assert hashes(station) == on_disk(station)


def on_disk_but_for_the_first(station: Station) -> dict[str, str]:
    return {one: sha256(station.runtime.archive.read(one)).hexdigest() for one in station.stored()[1:]}


def test_what_was_away_for_a_while_is_hashed_before_models_are_asked_once_more(station: Station) -> None:
    station.receive(*make_stack(12))
    station.take_in()
    path = first_file(station)
    away = path.with_suffix(".away")
    path.rename(away)
    let_pass(station, QUIET)
    away.rename(path)
    do(station, "reprocess")
    manifest = decode_manifest(station.runtime.archive.read(completed(station)[-1].manifest))
    assert {entry.locator: entry.content_sha256 for entry in manifest} == on_disk(station)


@pytest.mark.parametrize("comes_back", [True, False], ids=["comes back", "stays away"])
def test_a_manifest_promises_no_hash_that_nobody_made(station: Station, tmp_path: Path, comes_back: bool) -> None:
    station.receive(*make_stack(12, RescaleSlope=1, RescaleIntercept=-1024))
    station.take_in()
    path = first_file(station)
    away = path.with_suffix(".away")
    path.rename(away)
    let_pass(station, QUIET)
    if comes_back:
        away.rename(path)
    (record,) = completed(station)
    manifest = decode_manifest(station.runtime.archive.read(record.manifest))
    assert [entry.content_sha256 for entry in manifest].count("") == 1
    models = {"one": Faulty("one", tmp_path)}
    ((_, outcome),) = read_archived(models, station.runtime.archive, record.manifest, None, AS_IT_IS)
    assert outcome.failure is (None if comes_back else Failure.INSTANCE_MISSING)


def test_whose_it_is_is_asked_again_before_it_gets_its_row(station: Station) -> None:
    station.receive(make_ct(1))
    with not_given(first_file(station)), pytest.raises(RetryableError):
        station.take_in()
    assert hashes(station) == {}
    station.take_in()
    assert list(hashes(station)) == station.stored()
    with station.runtime.database.read() as connection:
        assert STUDY in look_up(connection, [STUDY])


def test_it_gets_its_row_when_it_was_waited_for_long_enough(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient_reading, "PATIENCE_SECONDS", 0.0)
    station.receive(make_ct(1))
    with not_given(first_file(station)):
        station.take_in()
    assert list(hashes(station)) == station.stored()


@pytest.mark.parametrize("of_folder", [False, True], ids=["file", "folder"])
def test_strays_beside_it_get_their_rows(station: Station, of_folder: bool) -> None:
    station.runtime.stop.clear()
    station.receive(*make_stack(3))
    station.receive(make_ct(1, SeriesInstanceUID=f"{STUDY}.2"))
    for segment in (station.intake.folder / "0").iterdir():
        segment.unlink()  # nobody was told of any
    path = first_file(station)
    with not_given(path.parent if of_folder else path):
        assert recover(station.runtime, station.intake) == (1 if of_folder else 3)
    assert recover(station.runtime, station.intake) == (3 if of_folder else 1)
