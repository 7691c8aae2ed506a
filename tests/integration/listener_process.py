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
from typing import Any

from ingest.listening.configuration import ListenerConfiguration
from ingest.tally import Count, read_tallies
from tests.neighbours.starting import free_port, wait_until
from voorrang.parent import end_with_parent
from voorrang.purpose import Purpose
from voorrang.readiness import READY_VARIABLE
from voorrang.site_secret import make_secret

STOP_SECONDS = 30
LOG_BYTES = 64 << 20  # a small write-ahead log: it is filled at the start


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

    def workers(self) -> list[int]:
        """Return the processes that receive, as they are now."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def count(self, what: Count) -> int:
        """Return a counter, over all its processes."""
        return read_tallies(self.archive_dir, what)

    def peak_kb(self) -> dict[int, int]:
        """Return the most memory that each of its processes had so far."""
        return {pid: _memory_kb(pid, "VmHWM") for pid in (self.pid, *self.workers())}

    def resident_kb(self) -> dict[int, int]:
        """Return the memory that each of its processes has."""
        return {pid: _memory_kb(pid, "VmRSS") for pid in (self.pid, *self.workers())}

    def descriptors(self) -> dict[int, int]:
        """Return how many descriptors each of its processes has open."""
        return {pid: len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in (self.pid, *self.workers())}

    @contextmanager
    def served_by(self, worker: int) -> Iterator[None]:
        """Let one of the processes receive alone: the others stand still meanwhile."""
        others = [pid for pid in self.workers() if pid != worker]
        try:
            for pid in others:
                os.kill(pid, signal.SIGSTOP)
            wait_until(lambda: all(_state(pid) == "T" for pid in others), STOP_SECONDS, "processes to stand still")
            yield
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)


@contextmanager
def listener_process(folder: Path, **told: Any) -> Iterator[ListenerProcess]:
    """Run a listener until the end; it must end well then."""
    make_secret(folder / "secret")
    values = {"log_bytes": LOG_BYTES, **told}
    configuration = ListenerConfiguration(
        "127.0.0.1", free_port(), folder / "archive", folder / "secret", {"VOORRANG": Purpose.CLINICAL}, **values
    )
    configuration.archive_dir.mkdir(exist_ok=True)
    reading, writing = os.pipe()
    with (folder / "listener.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ingest.listening", configuration.to_json()],
            env={**os.environ, READY_VARIABLE: str(writing)},
            pass_fds=(writing,),
            stderr=log,
            preexec_fn=end_with_parent,
        )
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as ready:
            assert ready.readline() == b"ready\n", (folder / "listener.log").read_text()
        yield ListenerProcess(process.pid, configuration)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _memory_kb(pid: int, what: str) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().split(f"{what}:")[1].split()[0])
