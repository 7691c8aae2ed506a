"""
Counts of the listener in a file that other processes read while it runs, and that survives its death.

The listener counts what it answered here, apart from the ledger: the accountant holds one against the other.
"""

from __future__ import annotations

import mmap
import struct
from enum import IntEnum
from pathlib import Path
from threading import Lock

_SLOT = struct.Struct("<Q")


class Count(IntEnum):
    """What is counted; the number is the slot in the file, so one is never used for something else."""

    STARTED = 0  # how often a listener began to count in this file
    NEW = 1
    DUPLICATE = 2
    CONFLICT = 3
    REFUSED = 4
    ASSOCIATIONS_OPENED = 5
    ASSOCIATIONS_OPEN = 6
    ASSOCIATIONS_REJECTED = 7
    ASSOCIATIONS_ABORTED = 8
    BYTES = 9
    ECHOES = 10
    GAVE_WAY_MS = 11  # how long answers waited while others went first


def tally_path(archive_dir: Path, number: int) -> Path:
    """Return the file of one process of the listener."""
    return archive_dir / f"listener-{number}.tally"


def read_tallies(archive_dir: Path, count: Count) -> int:
    """Return a counter, over all processes of the listener; one whose file has just been made has counted nothing."""
    total = 0
    for path in archive_dir.glob("listener-*.tally"):
        with path.open("rb") as file:
            file.seek(count * _SLOT.size)
            total += _SLOT.unpack(file.read(_SLOT.size).ljust(_SLOT.size, b"\0"))[0]
    return total


class Tally:
    """
    Counters in a file.

    Parameters
    ----------
    path
        Made when absent.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            file.truncate(mmap.PAGESIZE)
            self._slots = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self._lock = Lock()

    def begin(self) -> None:
        """Say that a listener starts: nothing is open yet."""
        self.add(Count.STARTED)
        with self._lock:
            _SLOT.pack_into(self._slots, Count.ASSOCIATIONS_OPEN * _SLOT.size, 0)

    def add(self, count: Count, by: int = 1) -> None:
        """Raise a counter, or lower it by a negative number."""
        place = count * _SLOT.size
        with self._lock:
            _SLOT.pack_into(self._slots, place, _SLOT.unpack_from(self._slots, place)[0] + by)

    def read(self, count: Count) -> int:
        """Return a counter."""
        return int(_SLOT.unpack_from(self._slots, count * _SLOT.size)[0])

    def close(self) -> None:
        """Let go of the file."""
        self._slots.close()
