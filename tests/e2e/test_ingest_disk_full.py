"""A disk that fills up: refused with Out of Resources, and taken again on the same association when there is room."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.admission import StoreStatus
from tests.e2e.ingest_world import ingest_world, require_accounted, require_complete, require_same
from tests.e2e.modality import SUCCESS, Modality, make_series
from tests.neighbours.embedded import embedded_missing
from tests.neighbours.starting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(bool(embedded_missing()), reason=embedded_missing())]

DISK_BYTES = 150 << 20  # the write-ahead log takes 64 MB of it
RESERVE_BYTES = 20 << 20
SLICES = 40
REFUSALS = 30  # some 3 s: a checkpoint falls within
WITHIN_SECONDS = 20.0


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a small file system in memory; the test is skipped where that is not allowed."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount on this machine")
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(ballast: Path, down_to_bytes: int) -> None:
    """Write a file until so little is free; 0: until nothing more can be written."""
    piece = bytes(1 << 16)
    try:
        with ballast.open("wb", buffering=0) as file:
            while free_bytes(ballast.parent) > down_to_bytes:
                file.write(piece)
    except OSError:
        assert down_to_bytes == 0
    assert free_bytes(ballast.parent) <= max(down_to_bytes, os.statvfs(ballast.parent).f_frsize)


def free_bytes(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def checkpoint(archive: Path) -> int:
    """Return up to which record everything is durable outside the write-ahead log."""
    return int(json.loads((archive / "write-ahead" / "checkpoint.json").read_bytes())["serial"])


@pytest.mark.parametrize("reserve_bytes", [RESERVE_BYTES, 0], ids=["above-the-reserve", "to-the-last-byte"])
def test_disk_that_is_full_refuses_and_goes_on_when_it_is_freed(
    tmp_path: Path, migrated_sqlite: Path, reserve_bytes: int
) -> None:
    sent = [one for k in range(2) for one in make_series(k, SLICES, 150)]
    archive = tmp_path / "data" / "archive"
    ballast = archive / "ballast"
    with small_disk(archive), ingest_world(tmp_path, migrated_sqlite, disk_reserve_bytes=reserve_bytes) as world:
        listener, assembler = world.program("listen"), world.program("assemble")
        for program in (listener, assembler):
            program.start()
            program.wait_ready()
        pid = listener.pid
        modality = Modality(world.port, sent)
        modality.start(1, may_send=SLICES)
        wait_until(modality.has_sent(SLICES // 2), WITHIN_SECONDS, "the first half of a series")

        fill(ballast, reserve_bytes)
        modality.let_go_on(SLICES // 2)
        full = StoreStatus.OUT_OF_RESOURCES
        wait_until(lambda: modality.statuses[full] >= REFUSALS, WITHIN_SECONDS, "refusals")
        ballast.unlink()
        modality.finish()

        assert set(modality.statuses) == {SUCCESS, full}
        assert modality.associations_lost == 0
        assert (listener.is_running(), listener.pid) == (True, pid)
        wait_until(lambda: checkpoint(archive) >= len(sent), WITHIN_SECONDS, "a checkpoint of all")
        require_same(world, sent)
        require_complete(world, sent)
        require_accounted(world, sent)


def test_listener_on_a_full_disk_starts_refuses_and_takes_all_when_there_is_room(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    sent = make_series(0, 20, 100)
    archive = tmp_path / "data" / "archive"
    with small_disk(archive), ingest_world(tmp_path, migrated_sqlite, disk_reserve_bytes=RESERVE_BYTES) as world:
        fill(archive / "ballast", RESERVE_BYTES // 2)
        listener, assembler = world.program("listen"), world.program("assemble")
        for program in (listener, assembler):
            program.start()
            program.wait_ready()
        modality = Modality(world.port, sent)
        modality.start()
        wait_until(lambda: modality.statuses[StoreStatus.OUT_OF_RESOURCES] >= REFUSALS, WITHIN_SECONDS, "refusals")
        assert modality.answered == set()
        (archive / "ballast").unlink()
        modality.finish()
        assert modality.associations_lost == 0
        require_same(world, sent)
        require_complete(world, sent)
