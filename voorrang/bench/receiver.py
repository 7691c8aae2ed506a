"""A receiver under measurement: started on a free port, known to be ready, measured, ended by its own process id."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from voorrang.bench.names import AE_TITLE
from voorrang.bench.processes import cpu_seconds, process_tree, wait_idle, wait_until
from voorrang.bench.programs import TIMEOUT_SECONDS, dcmtk_program, environment
from voorrang.bench.slices import Batch
from voorrang.stack.child import Child

START_SECONDS = 60.0
STOP_SECONDS = 15.0
REST_SECONDS = 15.0
_MAGIC_AT, _MAGIC = 128, b"DICM"


class ReceiverError(Exception):
    """A receiver did not start; with the last line that it wrote."""


@dataclass(frozen=True, slots=True)
class Usage:
    """
    CPU seconds so far.

    Parameters
    ----------
    own
        Of each part that is the receiver's, by its name.
    beside
        Of what runs beside it and is not counted, as the broker.
    hashing
        Part of `own` that went into content hashes; None where that is not told apart.
    """

    own: Mapping[str, float]
    beside: Mapping[str, float] = field(default_factory=dict)
    hashing: float | None = None


class Receiver(ABC):
    """
    Takes what is sent to it.

    Parameters
    ----------
    name
        In the rows.
    folder
        For its files; made.
    port
        On loopback.
    """

    def __init__(self, name: str, folder: Path, port: int) -> None:
        self.name = name
        self.folder = folder
        self.port = port

    @abstractmethod
    def start(self) -> None:
        """
        Start it and wait until it answers a C-ECHO.

        Raises
        ------
        PeerMissingError
            When it is not on this machine.
        ReceiverError
            When it does not start.
        """

    @abstractmethod
    def stop(self) -> None:
        """End it."""

    @property
    @abstractmethod
    def pids(self) -> list[int]:
        """Its own processes, each with all that it started."""

    @abstractmethod
    def usage(self) -> Usage:
        """Return what it has used so far."""

    @abstractmethod
    def prepare(self) -> None:
        """Make it ready for the next batch, outside what is measured."""

    def settle(self, batch: Batch) -> str:
        """Wait until it has done everything with a batch; return what is wrong, or nothing."""
        del batch
        return ""

    def rest(self, batch: Batch) -> None:
        """Wait until nothing is left to be done for a batch that would disturb what is measured next."""
        del batch
        wait_idle(self.pids, REST_SECONDS)

    @abstractmethod
    def stored(self, batch: Batch) -> int:
        """Return how many instances of a batch are on its disk."""


class Peer(Receiver):
    """
    A program of somebody else that writes files into one folder.

    Parameters
    ----------
    name, folder, port
        As of every receiver.
    command
        Program and arguments.
    more_environment
        Beside that of every process.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        port: int,
        command: Sequence[str],
        more_environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name, folder, port)
        log = folder.with_suffix(".log")
        self._log = log
        self._seen: frozenset[Path] = frozenset()
        self._child = Child(
            name,
            logged(command, log),
            environment(**(more_environment or {})),
            lambda: answers_echo(port),
            is_quiet=True,
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        start_child(self._child, self._log)

    def stop(self) -> None:
        """End it."""
        stop_child(self._child)

    @property
    def pids(self) -> list[int]:
        """Its one process, with its forks."""
        return [self._child.pid]

    def usage(self) -> Usage:
        """Return the CPU seconds of the process and its forks."""
        return Usage({"receiver": cpu_seconds(self._child.pid)})

    def prepare(self) -> None:
        """Note what is there."""
        self._seen = frozenset(files_below(self.folder))

    def stored(self, batch: Batch) -> int:
        """Count the files."""
        return count_part10_files(set(files_below(self.folder)) - self._seen, batch.pixel_bytes)


def start_child(child: Child, log: Path) -> None:
    """
    Start a process and wait until it is ready.

    Raises
    ------
    ReceiverError
        When it ends or stays silent, with the last line that it wrote.
    """
    child.start()
    ready = wait_until(lambda: child.exit_code() is not None or child.check_ready(), START_SECONDS)
    if not ready or child.exit_code() is not None:
        stop_child(child)
        lines = log.read_text(errors="replace").strip().splitlines() if log.is_file() else []
        raise ReceiverError(f"{child.name} did not start: {lines[-1] if lines else 'it said nothing'}")


def stop_child(child: Child) -> None:
    """End a process and whatever it left behind of its own."""
    forks = process_tree(child.pid)[1:] if child.pid else []
    child.ask_to_stop()
    child.wait_stopped(STOP_SECONDS)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in forks), 1)


def logged(command: Sequence[str], log: Path) -> list[str]:
    """Return a command whose output goes to a file; the process stays the same."""
    return ["/bin/sh", "-c", 'log="$1"; shift; exec "$@" >>"$log" 2>&1', "sh", str(log), *command]


def answers_echo(port: int) -> bool:
    """Tell whether a C-ECHO by dcmtk is answered."""
    command = [dcmtk_program("echoscu"), "-to", "2", "-aec", AE_TITLE, "127.0.0.1", str(port)]
    done = subprocess.run(command, env=environment(), capture_output=True, check=False, timeout=TIMEOUT_SECONDS)  # noqa: S603
    return done.returncode == 0


def files_below(folder: Path) -> list[Path]:
    """Return every file below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def count_part10_files(paths: Iterable[Path], more_than_bytes: int) -> int:
    """Return how many files are of Part 10 and larger than so many bytes."""
    return sum(path.stat().st_size > more_than_bytes and _is_part10(path) for path in paths)


def _is_part10(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(_MAGIC_AT)
        return file.read(len(_MAGIC)) == _MAGIC
