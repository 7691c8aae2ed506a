"""What a model reads is what was received, byte for byte; anything else is *failed* and named, without a score."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from inference.archived_series import ATTEMPTS_TO_READ, gate_archived, read_archived
from inference.failures import Failure
from inference.reading import AS_IT_IS
from tests.integration.inference.archived import archive_series
from tests.integration.inference.faulty_models import ANSWER, Faulty
from tests.integration.permissions import not_given
from voorrang.archive import Archive
from voorrang.dicom.manifest import ManifestEntry, decode_manifest, encode_manifest
from voorrang.events.records import ScoringState
from voorrang.pathways.criteria import SeriesCriteria

pytestmark = pytest.mark.integration

UID = "1.2.826.0.1.3680043.8.498.4"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def lose_last_block(path: Path) -> bytes:
    """Put zeros at the end of a file, as where its last block never came to the disk; return what it was."""
    whole = path.read_bytes()
    path.write_bytes(whole[:-16] + bytes(16))
    return whole


def test_zeros_in_the_place_of_pixels_are_not_read(tmp_path: Path, archive: Archive) -> None:
    manifest = archive_series(archive, UID, ANSWER)
    lose_last_block(archive.path(decode_manifest(archive.read(manifest))[20].locator))
    waited: list[float] = []
    ((_, outcome),) = read_archived(
        {"one": Faulty("one", tmp_path)}, archive, manifest, None, AS_IT_IS, wait=waited.append
    )
    assert (outcome.state, outcome.failure) == (ScoringState.FAILED, Failure.INSTANCE_DAMAGED)
    assert len(waited) == ATTEMPTS_TO_READ - 1
    assert not (tmp_path / "one.read").exists()


def test_what_the_listener_brings_back_meanwhile_is_read(tmp_path: Path, archive: Archive) -> None:
    manifest = archive_series(archive, UID, ANSWER)
    path = archive.path(decode_manifest(archive.read(manifest))[20].locator)
    whole = lose_last_block(path)
    ((_, outcome),) = read_archived(
        {"one": Faulty("one", tmp_path)}, archive, manifest, None, AS_IT_IS, wait=lambda _: path.write_bytes(whole)
    )
    assert outcome.state is ScoringState.SCORED


def test_a_manifest_of_before_holds_no_hashes_and_is_read(tmp_path: Path, archive: Archive) -> None:
    entries = decode_manifest(archive.read(archive_series(archive, UID, ANSWER)))
    study = entries[0].header.study_instance_uid
    without = [ManifestEntry(entry.header, entry.locator) for entry in entries]
    before = encode_manifest(without).replace(b'"sha256":"",', b"")
    assert decode_manifest(before) == without
    manifest = archive.store_manifest(study, UID, before)
    ((_, outcome),) = read_archived({"one": Faulty("one", tmp_path)}, archive, manifest, None, AS_IT_IS)
    assert outcome.state is ScoringState.SCORED


def test_a_manifest_that_the_disk_does_not_give_is_asked_for_again(tmp_path: Path, archive: Archive) -> None:
    manifest = archive_series(archive, UID, ANSWER)
    with ExitStack() as away:
        away.enter_context(not_given(archive.path(manifest)))
        ((_, outcome),) = read_archived(
            {"one": Faulty("one", tmp_path)}, archive, manifest, None, AS_IT_IS, wait=lambda _: away.close()
        )
    assert outcome.state is ScoringState.SCORED


@pytest.mark.parametrize("left", [b"", bytes(100), b"[]", b'{"instances":[{"header":"","locator":""}]}'])
def test_a_manifest_that_is_damaged_is_named(tmp_path: Path, archive: Archive, left: bytes) -> None:
    manifest = archive_series(archive, UID, ANSWER)
    archive.path(manifest).write_bytes(left)
    ((_, outcome),) = read_archived({"one": Faulty("one", tmp_path)}, archive, manifest, None, AS_IT_IS)
    assert outcome.failure is Failure.MANIFEST_UNREADABLE


def test_a_manifest_that_is_not_what_it_is_named_for_is_not_read(tmp_path: Path, archive: Archive) -> None:
    """Where a slice lies is one digit of it: it can be read all the same, and the stack would be another."""
    manifest = archive_series(archive, UID, ANSWER)
    whole = archive.read(manifest)
    changed = whole.replace(b"[0.0,0.0,60.0]", b"[0.0,0.0,61.0]")
    assert len(decode_manifest(changed)) == len(decode_manifest(whole))
    assert changed != whole
    archive.path(manifest).write_bytes(changed)
    ((_, outcome),) = read_archived({"one": Faulty("one", tmp_path)}, archive, manifest, None, AS_IT_IS)
    assert (outcome.state, outcome.failure) == (ScoringState.FAILED, Failure.MANIFEST_UNREADABLE)
    assert not (tmp_path / "one.read").exists()


def test_the_gate_of_a_pathway_says_nothing_of_a_manifest_that_is_not_what_it_is_named_for(archive: Archive) -> None:
    manifest = archive_series(archive, UID, ANSWER)
    assert gate_archived(archive, manifest, SeriesCriteria(region="head"), ()) is not None
    archive.path(manifest).write_bytes(archive.read(manifest).replace(b"[0.0,0.0,60.0]", b"[0.0,0.0,61.0]"))
    assert gate_archived(archive, manifest, SeriesCriteria(region="head"), ()) is None


def test_a_hash_that_was_never_made_is_held_against_no_file(tmp_path: Path, archive: Archive) -> None:
    """Manifests of November 2026 have a word in its place."""
    entries = decode_manifest(archive.read(archive_series(archive, UID, ANSWER)))
    told = encode_manifest([replace(one, content_sha256="missing") for one in entries])
    manifest = archive.store_manifest(entries[0].header.study_instance_uid, UID, told)
    ((_, outcome),) = read_archived({"one": Faulty("one", tmp_path)}, archive, manifest, None, AS_IT_IS)
    assert outcome.state is ScoringState.SCORED
