"""The listener as it ships: a process of its own, with the processes that it starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.listening.configuration import ListenerConfiguration
from tests.neighbours.starting import end_with_parent, free_port
from voorrang.purpose import Purpose
from voorrang.readiness import READY_VARIABLE
from voorrang.site_secret import make_secret

STOP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class ListenerProcess:
    """A listener that runs."""

    pid: int
    told: ListenerConfiguration

    @property
    def archive_dir(self) -> Path:
        """Folder of its archive."""
        return self.told.archive_dir

    @property
    def port(self) -> int:
        """Where it answers."""
        return self.told.port

    def peak_kb(self) -> dict[int, int]:
        """Return the most memory that each of its processes had so far."""
        return {pid: _peak_kb(pid) for pid in (self.pid, *_children(self.pid))}


@contextmanager
def listener_process(folder: Path) -> Iterator[ListenerProcess]:
    """Run a listener until the end; it must end well then."""
    make_secret(folder / "secret")
    told = ListenerConfiguration(
        "127.0.0.1", free_port(), folder / "archive", folder / "secret", {"VOORRANG": Purpose.CLINICAL}
    )
    told.archive_dir.mkdir()
    reading, writing = os.pipe()
    with (folder / "listener.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ingest.listening", told.to_json()],
            env={**os.environ, READY_VARIABLE: str(writing)},
            pass_fds=(writing,),
            stderr=log,
            preexec_fn=end_with_parent,
        )
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as ready:
            assert ready.readline() == b"ready\n", (folder / "listener.log").read_text()
        yield ListenerProcess(process.pid, told)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _peak_kb(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0])
