"""
A sync that failed: the kernel has told of it once and may have dropped what it could not write.

The next sync succeeds all the same, so none counts any more (Rebello et al., Can Applications Recover from fsync
Failures?, USENIX ATC 2020): the process ends, and the next one brings back what its write-ahead log holds.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import pytest

from ingest.listening import journaling
from tests.integration.crashing import SEGMENT, Machine
from tests.integration.listening import Station, make_stack, make_station, own_database
from voorrang.archive import ArchiveFullError
from voorrang.clock import ManualClock

pytestmark = pytest.mark.integration

WITHIN_SECONDS = 5.0


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    with own_database(tmp_path) as database:
        yield make_station(database, tmp_path / "data", clock)


@pytest.fixture
def machine(station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose disk fails at the first sync, and at no other."""
    failed: list[object] = []

    def sync(of: object) -> None:
        """Fail once."""
        if not failed:
            failed.append(of)
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(journaling, "sync_file_system", sync)
    return Machine(station, tmp_path / "synced", SEGMENT)


def test_the_log_keeps_what_the_disk_may_have_lost(machine: Machine) -> None:
    instances = make_stack(3)
    machine.receive(*instances)
    for _ in range(2):
        with pytest.raises(ArchiveFullError):
            machine.receiver.journal.checkpoint()
    machine.receiver.journal.close()
    for path in (machine.archive.root / "studies").rglob("*.dcm"):
        path.write_bytes(bytes(path.stat().st_size))

    assert machine.start() == 3
    machine.holds(*instances)
    machine.has_rows(*instances)


def test_the_process_ends(machine: Machine) -> None:
    machine.receive(*make_stack(3))
    stop, journal = Flag(), machine.receiver.journal
    journal.wake()
    Thread(target=journal.keep_checkpointing, args=(stop,), daemon=True).start()
    assert stop.wait(WITHIN_SECONDS)
