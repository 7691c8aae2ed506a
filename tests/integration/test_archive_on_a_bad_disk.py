"""What a disk does not give is not gone, what it has damaged is written again, and a folder may go at any moment."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.permissions import not_given
from voorrang.archive import Archive
from voorrang.archive.instance_files import InstanceFiles

pytestmark = pytest.mark.integration

CONTENT = b"an instance"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive(tmp_path / "archive")
    made.prepare()
    return made


def put(archive: Archive, study: str = "1.2.3") -> str:
    """Put an instance into the archive; return its locator."""
    series = f"{study}.1"
    return InstanceFiles(archive).store(study, series, f"{series}.1", memoryview(CONTENT)).locator


@pytest.mark.parametrize("act", [Archive.path, Archive.read, Archive.remove])
def test_what_the_disk_does_not_give_is_not_taken_for_gone(
    archive: Archive, act: Callable[[Archive, str], object]
) -> None:
    locator = put(archive)
    with not_given((archive.root / locator).parent), pytest.raises(PermissionError):
        act(archive, locator)
    assert archive.read(locator) == CONTENT


def test_a_torn_file_that_the_disk_does_not_give_is_written_again(archive: Archive) -> None:
    locator = put(archive)
    with not_given(archive.root / locator):
        InstanceFiles(archive).restore(locator, memoryview(CONTENT))
        assert archive.read(locator) == CONTENT
    assert list(archive.incoming.iterdir()) == []


@pytest.mark.parametrize("left", [b"", b'{"mani', b"\0\0\0"])
def test_a_manifest_that_the_disk_has_damaged_is_written_again(archive: Archive, left: bytes) -> None:
    locator = archive.store_manifest("1.2.3", "1.2.3.1", b'{"manifest":1}')
    archive.path(locator).write_bytes(left)
    assert archive.store_manifest("1.2.3", "1.2.3.1", b'{"manifest":1}') == locator
    assert archive.read(locator) == b'{"manifest":1}'
    assert list(archive.incoming.iterdir()) == []


@pytest.mark.parametrize("level", [0, 1, 2], ids=["series", "study", "shard"])
def test_a_folder_that_is_removed_while_instances_are_looked_for_is_passed_over(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, level: int
) -> None:
    [first, last] = sorted([put(archive, "1.2.3"), put(archive, "1.2.4")])
    goes = (archive.root / last).parents[level]
    scandir = os.scandir

    def scan(folder: Any) -> Any:
        """Let retention be quicker by a moment."""
        if Path(folder) == goes and goes.is_dir():
            monkeypatch.undo()
            shutil.rmtree(goes)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", scan)
    assert list(archive.instances()) == [first]
