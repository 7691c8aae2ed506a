from __future__ import annotations

import os
from pathlib import Path
from threading import Event as Flag

import pytest

from voorrang.archive import spare_files
from voorrang.archive.archive import Archive
from voorrang.archive.instance_files import InstanceFiles
from voorrang.archive.spare_files import SpareFiles

STUDY, SERIES = "1.2.3", "1.2.3.4"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spare" / "0"


def filled(folder: Path, most: int = 3) -> SpareFiles:
    spare = SpareFiles(folder, most)
    spare.fill(Flag())
    return spare


def test_there_are_as_many_as_wanted_and_each_is_given_once(folder: Path) -> None:
    spare = filled(folder)
    assert len(spare) == 3
    opened = [spare.open() for _ in range(4)]
    assert opened[3] is None
    paths = [one[0] for one in opened if one is not None]
    assert len(set(paths)) == 3
    for one in opened[:3]:
        assert one is not None
        os.close(one[1])


def test_none_is_made_while_instances_come(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spare = filled(folder)
    opened = spare.open()
    assert opened is not None
    os.close(opened[1])
    spare.fill(Flag())
    assert len(spare) == 2
    monkeypatch.setattr(spare_files, "QUIET_SECONDS", 0.0)
    spare.fill(Flag())
    assert len(spare) == 3


def test_after_a_kill_empty_ones_are_used_and_begun_ones_removed(folder: Path) -> None:
    spare = filled(folder)
    opened = spare.open()
    assert opened is not None
    os.write(opened[1], b"half an instance")
    os.close(opened[1])
    after = SpareFiles(folder, 3)
    assert len(after) == 2
    assert not Path(opened[0]).exists()
    after.fill(Flag())
    assert len({path.name for path in folder.iterdir()}) == 3


def test_one_that_somebody_removed_is_passed_over(folder: Path) -> None:
    spare = filled(folder, 2)
    for path in folder.iterdir():
        path.unlink()
    assert spare.open() is None


def test_an_instance_takes_a_spare_file_and_makes_one_when_there_is_none(tmp_path: Path, folder: Path) -> None:
    archive = Archive(tmp_path)
    spare = filled(folder, 1)
    inodes = {path.stat().st_ino for path in folder.iterdir()}
    files = InstanceFiles(archive, spare)
    first = archive.path(files.store(STUDY, SERIES, "1.2.3.4.1", memoryview(b"first")).locator)
    second = archive.path(files.store(STUDY, SERIES, "1.2.3.4.2", memoryview(b"second")).locator)
    assert (first.read_bytes(), second.read_bytes()) == (b"first", b"second")
    assert first.stat().st_ino in inodes
    assert second.stat().st_ino not in inodes
    assert list(folder.iterdir()) == []
