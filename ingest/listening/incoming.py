"""
The bytes of one instance as they come in: in memory while they are few, and in a part file when they are many.

The part file is written while the rest still comes: the sender is not kept waiting for it at the end.
"""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path

from xxhash import xxh3_64

from ingest.listening.protocol import AbortReason, ProtocolError
from ingest.received import HEAD_BYTES
from voorrang.archive.archive import Archive
from voorrang.archive.durable import ArchiveFullError, write_all
from voorrang.archive.instance_files import InstanceFiles
from voorrang.archive.write_ahead_log import BLOCK
from voorrang.archive.write_ahead_log import HEAD_BYTES as RECORD_HEAD_BYTES

FIRST_BYTES = 1 << 20
MAX_IN_MEMORY_BYTES = 4 << 20
STREAM_BYTES = 96 << 10


class Incoming:
    """
    Memory of an association for one instance after the other; page-aligned, so that it can be written directly.

    Parameters
    ----------
    archive, files
        Where a part file goes, and whether there is room for it.
    max_bytes
        Of one instance, with what stands before its data set: of a larger one nothing is kept.
    is_digested
        Whether a digest is made of what comes: the write-ahead log asks for it.
    """

    def __init__(
        self, archive: Archive, files: InstanceFiles, max_bytes: int = sys.maxsize, *, is_digested: bool = True
    ) -> None:
        self._archive = archive
        self._files = files
        self._max_bytes = max_bytes
        self._is_digested = is_digested
        self.buffer = mmap.mmap(-1, FIRST_BYTES)
        self.record_head = mmap.mmap(-1, RECORD_HEAD_BYTES)
        self._view = memoryview(self.buffer)
        self._used = 0
        self._written = 0  # of what is in memory, how much is in the part file too
        self._spilled = 0
        self._digest = xxh3_64()
        self._descriptor = -1
        self._head = b""
        self.part: str | None = None
        self.indexed: object | None = None  # what was read of the head while the rest still came
        self.has_new_head = False
        self.failure: ArchiveFullError | None = None
        self.data_set_at = 0

    def begin(self, before_data_set: bytes) -> None:
        """Begin an instance with what stands before its data set."""
        self.drop()
        self._used = self.data_set_at = len(before_data_set)
        self._view[: self._used] = before_data_set

    def room(self, size_bytes: int) -> memoryview:
        """Return room for at most so many more bytes, at least one."""
        if len(self._view) - BLOCK - self._used < min(size_bytes, BLOCK):
            if len(self._view) < MAX_IN_MEMORY_BYTES + BLOCK:
                self._grow()
            else:
                self._spill()
        return self._view[self._used : min(self._used + size_bytes, len(self._view) - BLOCK)]

    def filled(self, size_bytes: int) -> None:
        """Say that so many bytes of the room are there."""
        self._used += size_bytes
        if self._used - self._written >= STREAM_BYTES:
            # Whole pages: the page cache takes them with a fifth less ado.
            self._stream(self.size_bytes // BLOCK * BLOCK - self._spilled)

    @property
    def size_bytes(self) -> int:
        """How many bytes there are."""
        return self._spilled + self._used

    @property
    def is_too_large(self) -> bool:
        """Whether there are more than there may be."""
        return self.size_bytes > self._max_bytes

    @property
    def is_in_memory(self) -> bool:
        """Whether all of it is in memory."""
        return self._spilled == 0

    def head(self) -> memoryview:
        """Return the beginning, which holds every header that is asked for."""
        return self._view[: self._used] if self.is_in_memory else memoryview(self._head)

    def digest(self) -> int | None:
        """Return XXH3 of all of it, 64 bit, where it was made while the rest still came."""
        is_made = self._is_digested and self._written == self._used
        return self._digest.intdigest() if is_made else None

    def content(self) -> memoryview:
        """Return all of it, while it is in memory."""
        return self._view[: self._used]

    def end(self) -> None:
        """
        Finish the part file if there is one; synced when it alone has the bytes.

        Raises
        ------
        ArchiveFullError
            When it could not be written.
        """
        if self.part is not None:
            self._stream(self._used)
        if self.failure is not None:
            raise self.failure
        if self._spilled:
            try:
                os.fdatasync(self._descriptor)
            except OSError as error:
                raise ArchiveFullError(f"the disk refused: {error.strerror}") from error

    def drop(self) -> None:
        """Forget it, and the part file unless somebody has taken it."""
        self._drop_part()
        self.failure = self.indexed = None
        self.has_new_head = False
        self._used = self._written = self._spilled = 0
        self._head = b""
        self._digest.reset()

    def hand_over(self) -> None:
        """Say that the part file has its name: it is not ours any more."""
        self.part = None

    def _grow(self) -> None:
        size = min(2 * len(self._view), MAX_IN_MEMORY_BYTES + BLOCK)
        larger = mmap.mmap(-1, size)
        larger[: self._used] = self._view[: self._used]
        self.buffer = larger  # the old one goes with the last view of it
        self._view = memoryview(larger)

    def _spill(self) -> None:
        """Move what is in memory to the part file."""
        if not self._head:
            self._head = bytes(self._view[: min(self._used, HEAD_BYTES)])
        self._stream(self._used)
        self._spilled += self._used
        self._used = self._written = 0

    def _stream(self, end: int) -> None:
        """Write to the part file what it lacks up to here; once that has failed, what comes is counted and dropped."""
        self.has_new_head = self._written == 0 and not self._spilled
        piece = self._view[self._written : end]
        self._written = end
        if self.is_too_large:
            self._let_go()
            return
        if self._is_digested:
            self._digest.update(piece)
        if self.failure is None:
            try:
                self._archive.require_room(len(piece))
                self._write(piece)
            except ArchiveFullError as error:
                self._fail(error)
            except OSError as error:
                self._fail(ArchiveFullError(f"the disk refused: {error.strerror}"))

    def _let_go(self) -> None:
        """Keep nothing of what is too large; whoever goes on for long is not waited for."""
        self._drop_part()
        if self.size_bytes > 2 * self._max_bytes:
            raise ProtocolError(AbortReason.NOT_SPECIFIED, "data_set_without_end")

    def _fail(self, failure: ArchiveFullError) -> None:
        self.failure = failure
        self._drop_part()  # now: others may need the room while the rest of it comes

    def _drop_part(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self.part is not None:
            Path(self.part).unlink(missing_ok=True)
        self.part = None

    def _write(self, content: memoryview) -> None:
        if self._descriptor < 0:
            self.part, self._descriptor = self._files.open_part()
        write_all(self._descriptor, content)
