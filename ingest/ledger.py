"""
The ledger: what the listener answered, one JSON line each, for the process that gives it rows.

The listener appends; `assemble` reads from where it stopped and removes what it has taken in. It survives the death
of either. What a crash of the machine takes from its end comes back from the write-ahead log of the archive.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from time import time
from typing import Any

from voorrang.archive.durable import ArchiveFullError, sync_folder, write_all

SEGMENT_BYTES = 32 << 20
INSTANCE, REFUSAL, ASSOCIATION, DAMAGED = "instance", "refusal", "association", "damaged"  # kinds of entries
_SUFFIX = ".ledger"
_NUMBER = re.compile("[0-9]{10,}")  # a copy that somebody made has another name
_MANY = 1_000_000
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the ledger."""

    segment: int = 0
    offset: int = 0


@dataclass(slots=True)
class LedgerWriter:
    """
    Appends; one process only, its threads in turn.

    Each start begins a segment of its own: the last line of the one before may be torn.

    Parameters
    ----------
    folder
        Where the segments are.
    """

    folder: Path
    segment_bytes: int = SEGMENT_BYTES
    _segment: int = 0
    _size: int = 0
    _descriptor: int = -1
    _lock: Lock = field(default_factory=Lock)

    def open(self) -> None:
        """Begin a segment."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._segment = max(segments(self.folder), default=0)
        self._begin_segment()

    def append(self, entry: bytes, counts: bool) -> None:
        """
        Write one entry.

        Parameters
        ----------
        entry
            A JSON object, as `encode_entry` gives it.
        counts
            Whether this is an accepted instance that was not there before.

        Raises
        ------
        ArchiveFullError
            When the disk refuses: nothing was written.
        """
        line = entry[:-1] + (b',"counts":true}\n' if counts else b"}\n")
        with self._lock:
            try:
                if self._size + len(line) > self.segment_bytes:
                    self._begin_segment()
                write_all(self._descriptor, line)
            except OSError as error:
                os.ftruncate(self._descriptor, self._size)
                raise ArchiveFullError(f"the disk refused: {error.strerror}") from error
            self._size += len(line)

    def sync(self) -> None:
        """Make what was appended durable."""
        with self._lock:
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the segment."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _begin_segment(self) -> None:
        # Numbers follow the clock, so that they go on growing where somebody has taken the folder away.
        segment = max(self._segment + 1, int(time()))
        # The next is there before the last is let go: on a full disk the last goes on, and is asked again.
        descriptor = os.open(_path(self.folder, segment), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)
        before, self._descriptor = self._descriptor, descriptor
        self._segment, self._size = segment, 0
        sync_folder(self.folder)
        if before >= 0:
            try:
                os.fdatasync(before)
            finally:
                os.close(before)


def encode_entry(entry: dict[str, Any]) -> bytes:
    """Return an entry as bytes."""
    return _ENCODE(entry).encode()


def read_entries(folder: Path, position: Position, limit: int) -> tuple[list[dict[str, Any]], Position]:
    """
    Read at most so many entries from a position; return them and the position after them.

    A line that has its end but cannot be read, since the disk is damaged, is an entry of kind `damaged`: it stops
    nothing that comes behind it.
    """
    entries: list[dict[str, Any]] = []
    for number in [n for n in segments(folder) if n >= position.segment]:
        start = position.offset if number == position.segment else 0
        for entry, end in _lines(folder, Position(number, start)):
            entries.append(entry)
            position = Position(number, end)
            if len(entries) == limit:
                return entries, position
        position = max(position, Position(number, start))
    return entries, position


def named_in(folder: Path, position: Position) -> set[str]:
    """Return the locators that entries beyond a position name."""
    entries, _ = read_entries(folder, position, _MANY)
    return {str(entry.get("locator")) for entry in entries}


def count_unread(folder: Path, position: Position) -> int:
    """Return how many accepted instances lie beyond a position."""
    entries, _ = read_entries(folder, position, _MANY)
    return sum(bool(entry.get("counts")) for entry in entries)


def remove_before(folder: Path, position: Position) -> None:
    """Remove the segments that were read to their end, but not the last, which is being written."""
    for number in segments(folder)[:-1]:
        if number < position.segment:
            _path(folder, number).unlink(missing_ok=True)


def has_unread(folder: Path, position: Position) -> bool:
    """Tell whether anything lies beyond a position."""
    return bool(read_entries(folder, position, 1)[0])


def extent(folder: Path) -> tuple[tuple[int, int], ...]:
    """Return number and size in bytes of each segment that is there: another value whenever one was written to."""
    found = []
    for number in segments(folder):
        try:
            found.append((number, _path(folder, number).stat().st_size))
        except FileNotFoundError:
            continue  # read to its end and removed meanwhile, by another thread
    return tuple(found)


def segments(folder: Path) -> list[int]:
    """Return the numbers of the segments that are there, lowest first."""
    return sorted(int(path.stem) for path in folder.glob(f"*{_SUFFIX}") if _NUMBER.fullmatch(path.stem))


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:010d}{_SUFFIX}"


def _lines(folder: Path, position: Position) -> Iterator[tuple[dict[str, Any], int]]:
    """Give each whole line of one segment from a position on, and where it ends; a torn last line is left alone."""
    try:
        file = _path(folder, position.segment).open("rb")
    except FileNotFoundError:
        return  # read to its end and removed meanwhile, by another thread
    with file:
        file.seek(position.offset)
        end = position.offset
        for line in file:
            if not line.endswith(b"\n"):
                return
            end += len(line)
            yield _decoded(line), end


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    return entry if isinstance(entry, dict) else {"kind": DAMAGED}
