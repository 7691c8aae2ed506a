from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from ingest.admission import Request
from ingest.part10 import part10_file
from voorrang.archive import Archive, ArchiveFullError, Stored, UnsafeIdentifierError
from voorrang.purpose import Purpose

pytestmark = pytest.mark.integration

STUDY, SERIES, INSTANCE = "1.2.3", "1.2.3.4", "1.2.3.4.5"
HUGE = 10**18


def part10(data_set: bytes = b"data set", sender: str = "SCANNER") -> bytes:
    request = Request("1.2.840.10008.5.1.4.1.1.2", INSTANCE, sender, "VOORRANG")
    return part10_file(request, "1.2.840.10008.1.2.1", Purpose.CLINICAL, data_set)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def archive(root: Path) -> Archive:
    return Archive(root)


def store(archive: Archive, content: bytes, instance: str = INSTANCE) -> Stored:
    return archive.store_instance(STUDY, SERIES, instance, content)


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_what_was_stored_is_read_back(archive: Archive) -> None:
    stored = store(archive, part10())
    assert (stored.outcome, stored.size_bytes) == ("new", len(part10()))
    assert archive.read(stored.locator) == part10()
    assert list(archive.instances()) == [stored.locator]
    assert not archive.is_conflict(stored.locator)


def test_the_same_bytes_again_change_nothing(archive: Archive, root: Path) -> None:
    first = store(archive, part10())
    again = store(archive, part10())
    assert (again.outcome, again.locator) == ("duplicate", first.locator)
    assert len(files(root)) == 1


def test_the_same_data_set_from_another_sender_changes_nothing(archive: Archive, root: Path) -> None:
    first = store(archive, part10(sender="SCANNER"))
    again = store(archive, part10(sender="PACS-WITH-A-NAME"))
    assert (again.outcome, again.locator) == ("duplicate", first.locator)
    assert archive.read(first.locator) == part10(sender="SCANNER")
    assert len(files(root)) == 1


def test_other_bytes_under_one_uid_are_kept_beside_and_flagged(archive: Archive) -> None:
    first = store(archive, part10(b"first"))
    other = store(archive, part10(b"other"))
    assert other.outcome == "conflict"
    assert archive.is_conflict(other.locator)
    assert archive.read(first.locator) == part10(b"first")
    assert archive.read(other.locator) == part10(b"other")
    assert sorted(archive.instances()) == sorted([first.locator, other.locator])


@pytest.mark.parametrize("sender", ["SCANNER", "PACS"])
def test_the_same_conflict_again_is_a_duplicate_of_the_one_beside(archive: Archive, root: Path, sender: str) -> None:
    store(archive, part10(b"first"))
    other = store(archive, part10(b"other"))
    again = store(archive, part10(b"other", sender))
    assert (again.outcome, again.locator) == ("duplicate", other.locator)
    assert len(files(root)) == 2


def test_each_other_content_has_a_place_of_its_own(archive: Archive) -> None:
    stored = [store(archive, part10(content)) for content in (b"first", b"second", b"third")]
    assert [one.outcome for one in stored] == ["new", "conflict", "conflict"]
    assert len({one.locator for one in stored}) == 3


def test_one_uid_sent_by_many_at_once_is_new_once(archive: Archive, root: Path) -> None:
    start = Barrier(8)

    def one(number: int) -> str:
        start.wait(10)
        return store(archive, part10(sender=f"SENDER{number}")).outcome

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(one, range(8)))
    assert outcomes == ["duplicate"] * 7 + ["new"]
    assert len(files(root)) == 1


@pytest.mark.parametrize(
    "uid", ["../../../etc/passwd", "..", "1.2/3", "/etc/passwd", "", "1.2\0", "1." * 40 + "1", "name"]
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_identifier_that_is_no_uid_never_becomes_a_path(archive: Archive, root: Path, uid: str, place: int) -> None:
    uids = [STUDY, SERIES, INSTANCE]
    uids[place] = uid
    with pytest.raises(UnsafeIdentifierError):
        archive.store_instance(uids[0], uids[1], uids[2], part10())
    assert files(root.parent) == []


@pytest.mark.parametrize(
    "locator", ["../outside", "studies/../../outside", "{outside}", "", ".", "studies", "no/such", "a\0b", "x" * 5000]
)
def test_a_locator_outside_the_archive_finds_nothing(archive: Archive, root: Path, locator: str) -> None:
    store(archive, part10())
    outside = root.parent / "outside"
    outside.write_bytes(b"not ours")
    with pytest.raises(FileNotFoundError):
        archive.read(locator.format(outside=outside))


def test_a_link_that_leads_outside_finds_nothing(archive: Archive, root: Path) -> None:
    outside = root.parent / "outside"
    outside.write_bytes(b"not ours")
    (root / "link").symlink_to(outside)
    with pytest.raises(FileNotFoundError):
        archive.read("link")


def test_what_a_crash_left_half_written_is_dropped_and_the_rest_kept(archive: Archive, root: Path) -> None:
    stored = store(archive, part10())
    archive.store_manifest(STUDY, SERIES, "digest", b"{}")
    archive.quarantine(b"bad", "a reason")
    kept = files(root)
    folder = (root / stored.locator).parent
    for path in (folder / f"{INSTANCE}.dcm.part-0123", folder / "9.9.dcm.part-4567", root / "quarantine" / "a.part-89"):
        path.write_bytes(b"half")
    assert list(archive.instances()) == [stored.locator]
    assert files(root) == kept


def test_a_manifest_is_no_instance_and_stays_as_it_was(archive: Archive) -> None:
    locator = archive.store_manifest(STUDY, SERIES, "digest", b"first")
    assert archive.store_manifest(STUDY, SERIES, "digest", b"second") == locator
    assert archive.store_manifest(STUDY, SERIES, "another", b"second") != locator
    assert archive.read(locator) == b"first"
    assert list(archive.instances()) == []


def test_what_was_refused_is_kept_with_its_reason_and_is_no_instance(archive: Archive, root: Path) -> None:
    locator = archive.quarantine(b"bad", "a reason")
    assert archive.read(locator) == b"bad"
    assert (root / locator).with_suffix(".reason").read_text() == "a reason"
    assert list(archive.instances()) == []


def test_nothing_is_stored_into_the_reserve_and_it_goes_on_when_there_is_room(archive: Archive, root: Path) -> None:
    archive.reserve_bytes = HUGE
    for act in (lambda: store(archive, part10()), lambda: archive.quarantine(b"bad", "a reason")):
        with pytest.raises(ArchiveFullError):
            act()
    assert files(root) == []
    archive.reserve_bytes = 0
    assert store(archive, part10()).outcome == "new"


def test_the_room_that_counts_is_what_the_instance_would_leave(root: Path) -> None:
    free = os.statvfs(root.parent)
    archive = Archive(root, free.f_bavail * free.f_frsize - 1_000_000)
    with pytest.raises(ArchiveFullError):
        store(archive, bytes(64_000_000))
    assert files(root) == []


def test_a_disk_that_refuses_a_folder_is_full(archive: Archive, root: Path) -> None:
    (root / "studies").write_bytes(b"a file where a folder should be")
    with pytest.raises(ArchiveFullError):
        store(archive, part10())


def test_a_folder_that_was_taken_away_is_made_again(archive: Archive, root: Path) -> None:
    stored = store(archive, part10())
    path = root / stored.locator
    path.unlink()
    path.parent.rmdir()
    assert store(archive, part10()).outcome == "new"


def test_no_answer_is_given_before_all_folders_above_are_durable(
    archive: Archive, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another sender has made the folder and has not synced it yet when the power goes.
    store(archive, part10())
    other = Archive(root)
    synced: list[Path] = []
    monkeypatch.setattr("voorrang.archive._sync_folder", synced.append)
    stored = store(other, part10(), "1.2.3.4.6")
    folder = (root / stored.locator).parent
    assert {folder, folder.parent, folder.parent.parent, folder.parent.parent.parent, root} <= set(synced)
