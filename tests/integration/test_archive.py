from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from ingest.admission import Request
from ingest.part10 import before_data_set
from voorrang.archive import Archive, ArchiveFullError, UnsafeIdentifierError
from voorrang.archive.archive import folder_chain
from voorrang.archive.instance_files import InstanceFiles, Stored
from voorrang.errors import ConfigurationError
from voorrang.purpose import Purpose

pytestmark = pytest.mark.integration

STUDY, SERIES, INSTANCE = "1.2.3", "1.2.3.4", "1.2.3.4.5"
HUGE = 10**18


def part10(data_set: bytes = b"data set", sender: str = "SCANNER") -> bytes:
    request = Request("1.2.840.10008.5.1.4.1.1.2", INSTANCE, sender, "VOORRANG")
    return before_data_set(request, "1.2.840.10008.1.2.1", Purpose.CLINICAL) + data_set


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def archive(root: Path) -> Archive:
    archive = Archive(root)
    archive.prepare()
    return archive


def store(archive: Archive, content: bytes, instance: str = INSTANCE) -> Stored:
    return InstanceFiles(archive).store(STUDY, SERIES, instance, memoryview(content))


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
        InstanceFiles(archive).store(uids[0], uids[1], uids[2], memoryview(part10()))
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
    archive.store_manifest(STUDY, SERIES, b"{}")
    archive.quarantine(b"bad", "a reason")
    kept = files(root)
    for part in (InstanceFiles(archive).part(), InstanceFiles(archive).part() + "0"):
        Path(part).write_bytes(b"half")
    assert list(archive.instances()) == [stored.locator]
    Archive(root).drop_parts()
    assert files(root) == kept


def test_whoever_looks_at_the_archive_drops_nothing_that_is_being_written(archive: Archive, root: Path) -> None:
    part = Path(InstanceFiles(archive).part())
    part.write_bytes(b"half")
    Archive(root)
    assert part.read_bytes() == b"half"


def test_whoever_only_reads_makes_no_folder(root: Path) -> None:
    archive = Archive(root)
    with pytest.raises(FileNotFoundError):
        archive.read("studies/00/1.2.3/1.2.3.4/1.2.3.4.5.dcm")
    assert list(archive.instances()) == []
    assert not root.exists()


def test_an_archive_that_cannot_be_made_is_a_mistake_of_configuration(root: Path) -> None:
    root.write_bytes(b"a file where a folder should be")
    with pytest.raises(ConfigurationError, match="VOORRANG_DATA_DIR"):
        Archive(root).prepare()


def test_a_manifest_is_no_instance_and_is_named_by_its_content(archive: Archive) -> None:
    locator = archive.store_manifest(STUDY, SERIES, b"first")
    assert archive.store_manifest(STUDY, SERIES, b"first") == locator
    assert archive.store_manifest(STUDY, SERIES, b"second") != locator
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


def test_what_the_disk_refuses_leaves_no_part_file(archive: Archive, root: Path) -> None:
    folder = root / Path(store(archive, part10()).locator).parent
    (folder / "1.2.3.4.6.dcm").mkdir()
    with pytest.raises(ArchiveFullError):
        store(archive, part10(), "1.2.3.4.6")
    assert list(archive.incoming.iterdir()) == []


def test_a_name_is_given_once_and_the_part_is_gone(archive: Archive) -> None:
    for number in range(3):
        store(archive, part10(), f"1.2.3.4.{number}")
        store(archive, part10(), f"1.2.3.4.{number}")
        store(archive, part10(b"other"), f"1.2.3.4.{number}")
    assert list(archive.incoming.iterdir()) == []


def test_what_was_made_durable_by_another_is_synced_with_every_folder_above(archive: Archive, root: Path) -> None:
    """Another sender has made the folder and has not synced it yet when the power goes."""
    folder = (root / store(archive, part10()).locator).parent
    assert folder_chain(root, folder) == [folder, folder.parent, folder.parent.parent, root / "studies", root]


def test_sync_passes_over_what_was_removed_meanwhile(archive: Archive, root: Path) -> None:
    first, second = store(archive, part10()), store(archive, part10(), "1.2.3.4.6")
    archive.remove(first.locator)
    InstanceFiles(archive).sync([first.locator, second.locator])
    archive.remove(second.locator)
    InstanceFiles(archive).sync([first.locator, second.locator])
    assert list(archive.instances()) == []


def test_sync_that_the_disk_refuses_is_said(archive: Archive, root: Path) -> None:
    locator = store(archive, part10()).locator
    (root / "loop").symlink_to(root / "loop")
    with pytest.raises(ArchiveFullError):
        InstanceFiles(archive).sync([locator, "loop/1.2.dcm"])


class TestPartFiles:
    """What is too large for memory comes as a part file, which is given its name when it is complete."""

    @pytest.fixture
    def part(self, archive: Archive) -> str:
        return self.write(InstanceFiles(archive).part(), part10())

    def write(self, part: str, content: bytes) -> str:
        Path(part).write_bytes(content)
        return part

    def adopt(self, archive: Archive, part: str, uids: tuple[str, str, str] = (STUDY, SERIES, INSTANCE)) -> Stored:
        return InstanceFiles(archive).adopt(*uids, part)

    def test_it_is_named_and_read_back(self, archive: Archive, part: str) -> None:
        stored = self.adopt(archive, part)
        assert (stored.outcome, stored.size_bytes) == ("new", len(part10()))
        assert archive.read(stored.locator) == part10()
        assert not Path(part).exists()

    def test_the_same_again_is_a_duplicate_however_it_came(self, archive: Archive, part: str, root: Path) -> None:
        first = store(archive, part10(sender="PACS"))
        again = self.adopt(archive, part)
        assert (again.outcome, again.locator) == ("duplicate", first.locator)
        assert len(files(root)) == 1

    def test_other_bytes_are_kept_beside(self, archive: Archive, part: str) -> None:
        first = store(archive, part10(b"first"))
        other = self.adopt(archive, part)
        assert other.outcome == "conflict"
        assert archive.read(first.locator) == part10(b"first")
        assert archive.read(other.locator) == part10()

    def test_what_differs_in_the_last_byte_of_many_is_no_duplicate(self, archive: Archive, part: str) -> None:
        many = bytes(3 << 20)
        store(archive, part10(many + b"a"))
        assert self.adopt(archive, self.write(part, part10(many + b"b"))).outcome == "conflict"
        assert self.adopt(archive, self.write(part, part10(many))).outcome == "conflict"
        assert self.adopt(archive, self.write(part, part10(many + b"a"))).outcome == "duplicate"

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_an_identifier_that_is_no_uid_is_refused_and_the_part_still_there(
        self, archive: Archive, part: str, place: int
    ) -> None:
        uids = [STUDY, SERIES, INSTANCE]
        uids[place] = "../x"
        with pytest.raises(UnsafeIdentifierError):
            self.adopt(archive, part, (uids[0], uids[1], uids[2]))
        assert Path(part).read_bytes() == part10()

    def test_refused_ones_are_kept_with_their_reason(self, archive: Archive, part: str, root: Path) -> None:
        locator = archive.quarantine_part(Path(part), "a reason")
        assert archive.read(locator) == part10()
        assert (root / locator).with_suffix(".reason").read_text() == "a reason"
        assert not Path(part).exists()


class TestRemoving:
    def test_the_last_of_a_folder_takes_the_folder_with_it(self, archive: Archive, root: Path) -> None:
        first, second = store(archive, part10()), store(archive, part10(), "1.2.3.4.6")
        assert archive.remove(first.locator) == len(part10())
        assert (root / second.locator).is_file()
        archive.remove(second.locator)
        assert not (root / second.locator).parent.parent.exists()
        assert store(archive, part10()).outcome == "new"

    def test_what_is_gone_is_gone_already(self, archive: Archive) -> None:
        locator = store(archive, part10()).locator
        archive.remove(locator)
        assert archive.remove(locator) == 0

    @pytest.mark.parametrize("locator", ["../outside", "studies", "", "a\0b"])
    def test_nothing_outside_is_removed(self, archive: Archive, root: Path, locator: str) -> None:
        outside = root.parent / "outside"
        outside.write_bytes(b"not ours")
        assert archive.remove(locator) == 0
        assert outside.read_bytes() == b"not ours"

    def test_a_refused_one_goes_with_its_reason(self, archive: Archive, root: Path) -> None:
        archive.remove(archive.quarantine(b"bad", "a reason"))
        assert files(root) == []


class TestRestoring:
    @pytest.mark.parametrize("left", [b"", part10()[:100], part10(b"other ta"), None])
    def test_what_was_lost_or_torn_is_whole_again(self, archive: Archive, root: Path, left: bytes | None) -> None:
        locator = store(archive, part10()).locator
        archive.remove(locator)
        if left is not None:
            path = root / locator
            path.parent.mkdir(parents=True)
            path.write_bytes(left)
        InstanceFiles(archive).restore(locator, memoryview(part10()))
        assert archive.read(locator) == part10()
        assert list(archive.incoming.iterdir()) == []

    def test_what_is_whole_is_left_alone(self, archive: Archive, root: Path) -> None:
        locator = store(archive, part10()).locator
        before = (root / locator).stat()
        InstanceFiles(archive).restore(locator, memoryview(part10()))
        after = (root / locator).stat()
        assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)

    def test_a_disk_that_refuses_the_folder_is_full(self, archive: Archive, root: Path) -> None:
        (root / "studies").write_bytes(b"a file where a folder should be")
        with pytest.raises(ArchiveFullError):
            InstanceFiles(archive).restore("studies/00/1.2/1.2.3/1.2.3.4.dcm", memoryview(part10()))

    @pytest.mark.parametrize("locator", ["../outside.dcm", "{outside}", "studies/../../outside.dcm"])
    def test_nothing_outside_is_written(self, archive: Archive, root: Path, locator: str) -> None:
        outside = root.parent / "outside.dcm"
        with pytest.raises(UnsafeIdentifierError):
            InstanceFiles(archive).restore(locator.format(outside=outside), memoryview(part10()))
        assert not outside.exists()
