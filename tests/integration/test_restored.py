"""The listener says that nothing is torn any more when all of its processes have brought back what their logs hold."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.boots import current_boot, is_restored, tell_boot, tell_restored
from ingest.telling import listener_configuration
from tests.integration.crashing import SEGMENT, Machine
from tests.integration.listening import Station, make_stack, make_station, own_database
from tests.neighbours.starting import wait_until
from voorrang.archive import Archive
from voorrang.archive.write_ahead_log import BLOCK
from voorrang.clock import ManualClock
from voorrang.parent import end_with_parent
from voorrang.site_secret import make_secret

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not current_boot(), reason="this machine does not say when it started"),
]

BEFORE, NOW = "the run before", "this run"
WITHIN_SECONDS = 60.0


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    with own_database(tmp_path) as database:
        yield make_station(database, tmp_path / "data", clock)


def listener(station: Station) -> subprocess.Popen[bytes]:
    """Start a listener's processes."""
    told = replace(listener_configuration(station.runtime.settings), log_bytes=64 * BLOCK)
    return subprocess.Popen(
        [sys.executable, "-m", "ingest.listening", told.to_json()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=end_with_parent,
    )


def test_it_is_said_when_every_process_has_recovered_and_not_before(station: Station, tmp_path: Path) -> None:
    make_secret(station.runtime.settings.secret_file)
    machine = Machine(station, tmp_path / "synced", SEGMENT)
    tell_boot(machine.archive, BEFORE)
    machine.receive(*make_stack(3))
    [first, *_] = machine.archive.instances()
    machine.power_off()
    in_the_way = machine.archive.root / first / "folder"
    in_the_way.mkdir(parents=True)

    assert listener(station).wait(WITHIN_SECONDS) == 1  # what is lost cannot be brought back
    assert not is_restored(machine.archive, current_boot())

    in_the_way.rmdir()
    in_the_way.parent.rmdir()
    running = listener(station)
    try:
        wait_until(lambda: is_restored(machine.archive, current_boot()), WITHIN_SECONDS, "what was lost")
        machine.holds(*make_stack(3))
    finally:
        running.terminate()
        running.wait(WITHIN_SECONDS)


def test_it_holds_for_one_run_of_the_machine(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.prepare()
    assert is_restored(archive, NOW)  # no listener has ever run
    tell_boot(archive, NOW)
    assert not is_restored(archive, NOW)
    tell_restored(archive, NOW)
    assert is_restored(archive, NOW)
    assert not is_restored(archive, "the next run")
    assert is_restored(archive, "")  # this machine says nothing of runs
