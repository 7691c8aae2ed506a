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
from ingest.listening.journaling import CHECKPOINT_SECONDS
from ingest.listening.workers import worker_count
from tests.e2e.ingest_world import ingest_world, require_accounted, require_complete, require_same
from tests.e2e.modality import AGAIN_AFTER_SECONDS, SUCCESS, Modality, make_series
from tests.neighbours.embedded import embedded_missing
from tests.neighbours.starting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(bool(embedded_missing()), reason=embedded_missing())]

LOG_BYTES = worker_count() * (64 << 20)  # the write-ahead log takes its room when it is opened
DISK_BYTES = LOG_BYTES + (100 << 20)
RESERVE_BYTES = 20 << 20
SLICES = 40
REFUSALS = 30
REFUSALS_OVER_A_CHECKPOINT = int(1.2 * CHECKPOINT_SECONDS / AGAIN_AFTER_SECONDS)
WITHIN_SECONDS = 120.0


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
    """Return how many records are durable outside the write-ahead logs, over all processes of the listener."""
    files = (archive / "write-ahead").glob("*/checkpoint.json")
    return sum(int(json.loads(path.read_bytes())["serial"]) for path in files)


@pytest.mark.parametrize(
    ("reserve_bytes", "refusals"),
    [(RESERVE_BYTES, REFUSALS), (0, REFUSALS_OVER_A_CHECKPOINT)],
    ids=["above-the-reserve", "to-the-last-byte"],
)
def test_disk_that_is_full_refuses_and_goes_on_when_it_is_freed(
    tmp_path: Path, migrated_sqlite: Path, reserve_bytes: int, refusals: int
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
        wait_until(lambda: modality.statuses[full] >= refusals, WITHIN_SECONDS, "refusals")
        ballast.unlink()
        modality.finish()

        assert set(modality.statuses) == {SUCCESS, full}
        assert modality.associations_lost == 0
        assert (listener.is_running(), listener.pid) == (True, pid)
        wait_until(lambda: checkpoint(archive) >= len(sent), WITHIN_SECONDS, "a checkpoint of all")
        require_same(world, sent)
        require_complete(world, sent)
        require_accounted(world, sent)


def test_listener_that_is_started_again_on_a_full_disk_refuses_and_takes_all_when_there_is_room(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    sent = make_series(0, SLICES, 100)
    archive = tmp_path / "data" / "archive"
    with small_disk(archive), ingest_world(tmp_path, migrated_sqlite, disk_reserve_bytes=RESERVE_BYTES) as world:
        listener, assembler = world.program("listen"), world.program("assemble")
        for program in (listener, assembler):
            program.start()
            program.wait_ready()
        modality = Modality(world.port, sent)
        modality.start(1, may_send=SLICES // 2)
        wait_until(modality.has_sent(SLICES // 2), WITHIN_SECONDS, "the first half of a series")
        fill(archive / "ballast", RESERVE_BYTES // 2)
        listener.kill()
        listener.start()
        listener.wait_ready()

        modality.let_go_on(SLICES // 2)
        wait_until(lambda: modality.statuses[StoreStatus.OUT_OF_RESOURCES] >= REFUSALS, WITHIN_SECONDS, "refusals")
        assert len(modality.answered) == SLICES // 2
        (archive / "ballast").unlink()
        modality.finish()
        require_same(world, sent)
        require_complete(world, sent)
        require_accounted(world, sent)


def test_listener_that_never_had_room_for_its_log_says_so_and_ends(tmp_path: Path, migrated_sqlite: Path) -> None:
    archive = tmp_path / "data" / "archive"
    with small_disk(archive), ingest_world(tmp_path, migrated_sqlite, disk_reserve_bytes=0) as world:
        fill(archive / "ballast", LOG_BYTES // 2)
        listener = world.program("listen")
        listener.start()
        wait_until(lambda: not listener.is_running(), WITHIN_SECONDS, "the listener to end")
        assert "free some room" in listener.said()
