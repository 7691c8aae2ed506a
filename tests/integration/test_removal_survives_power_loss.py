"""Retention forgets what it has removed only when the disk will not bring it back after a loss of power."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.removing import finish_removals
from ingest.tables import removal
from tests.integration.listening import own_database
from tests.integration.retention_world import Killed, World, make_world
from voorrang.archive import archive as archives
from voorrang.clock import ManualClock

pytestmark = pytest.mark.integration


@pytest.fixture
def world(tmp_path: Path, clock: ManualClock) -> Iterator[World]:
    with own_database(tmp_path) as database:
        yield make_world(database, tmp_path / "data", clock)


def test_what_the_disk_brings_back_is_removed_again_and_is_no_stray(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(1, 91)
    studies = world.archive.root / "studies"
    shutil.copytree(studies, tmp_path / "before")

    def power_off(_: Path) -> None:
        """Go down before the names are synced."""
        raise Killed

    with monkeypatch.context() as going_down:
        going_down.setattr(archives, "sync_folder", power_off)
        with pytest.raises(Killed):
            world.worker().step()
    shutil.copytree(tmp_path / "before", studies, dirs_exist_ok=True)

    finish_removals(world.desk)
    assert (list(world.archive.instances()), world.count(removal)) == ([], 0)
