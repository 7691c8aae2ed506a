"""
Files that have their name before they have their bytes: those are durable in a log, and follow.

Whoever waits for an answer does not wait for the copy in the page cache. Nobody else takes the name meanwhile, nor
compares with what is not all there: the file is locked until it is whole. It bears a mark until then, which outlives
the process: what is marked and not locked was given up, and whoever comes next takes its place.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, sleep

from voorrang.archive.durable import ArchiveFullError, refusing_when_full

PATIENCE_SECONDS = 5.0
LOOK_EVERY_SECONDS = 0.002
_MARK = stat.S_ISVTX  # says nothing to a kernel of files that are not folders; Linux chmod(2)
UNFINISHED_MODE = 0o666 | _MARK


@dataclass(slots=True)
class PromisedFile:
    """
    An empty file under the name of an instance, locked.

    Parameters
    ----------
    path
        Its name.
    descriptor
        Open for writing; closing it gives up the lock.
    """

    path: str
    descriptor: int

    def fill(self, content: memoryview) -> None:
        """
        Write all of it, and say that it is whole; what an earlier try wrote is written over.

        Raises
        ------
        ArchiveFullError
            When the disk refuses: try again.
        """
        with refusing_when_full():
            offset = 0
            while offset < len(content):
                offset += os.pwrite(self.descriptor, content[offset:], offset)
            finish(self.descriptor)

    def close(self) -> None:
        """Let others have the file, whole or not."""
        with suppress(OSError):  # its bytes are written, or somebody else's matter
            os.close(self.descriptor)

    def withdraw(self) -> None:
        """Give the name back: nothing was promised to anybody."""
        try:
            with suppress(OSError):  # then an empty file stays, which is in nobody's way
                os.unlink(self.path)  # noqa: PTH108
        finally:
            self.close()


def finish(file: int | str) -> None:
    """Take the mark from a file, by its descriptor or path: it is whole."""
    os.chmod(file, stat.S_IMODE(os.stat(file).st_mode) & ~_MARK)  # noqa: PTH101, PTH116 - may be a descriptor


def is_unfinished(found: os.stat_result) -> bool:
    """Tell whether a file that was looked at is empty or bears the mark."""
    return found.st_size == 0 or bool(found.st_mode & _MARK)


def lock(descriptor: int, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """
    Keep others from a file until its descriptor is closed, by whatever end of the process.

    Raises
    ------
    ArchiveFullError
        When somebody else does so for long: the disk refuses the bytes of that file.
    """
    deadline = monotonic() + patience_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic() > deadline:
                raise ArchiveFullError("the bytes of an instance of this name are still to be written") from None
            sleep(LOOK_EVERY_SECONDS)
        else:
            return
