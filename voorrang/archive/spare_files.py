"""
Empty files that are there before they are needed.

Making a file takes a file system from 0.05 ms to, where many were deleted shortly before, 0.7 ms: as long as it takes
to receive an instance. So they are made while nothing comes in, and get their name when they are complete.
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from threading import Event as Flag
from time import monotonic

from voorrang.archive.own_names import numbered_files

MOST = 400  # a large series
QUIET_SECONDS = 0.2


class SpareFiles:
    """
    A folder of empty files, of one process.

    Parameters
    ----------
    folder
        On the archive's own disk; what another process left there is used if it is empty, and removed otherwise;
        what is not ours stays.
    most
        How many there are when nothing comes in.
    """

    def __init__(self, folder: Path, most: int = MOST) -> None:
        self._folder = folder
        self._most = most
        self._next = 0
        self._taken_at = 0.0
        self._paths: deque[str] = deque()
        folder.mkdir(parents=True, exist_ok=True)
        for path in numbered_files(folder):
            self._next = max(self._next, int(path.name) + 1)
            if path.stat().st_size:
                path.unlink()
            else:
                self._paths.append(str(path))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._paths)

    def open(self) -> tuple[str, int] | None:
        """Open one for writing and return its path and descriptor; None when there is none left."""
        self._taken_at = monotonic()
        while self._paths:
            path = self._paths.popleft()
            try:
                return path, os.open(path, os.O_WRONLY)
            except FileNotFoundError:  # somebody has tidied up
                continue
        return None

    def fill(self, stop: Flag) -> None:
        """
        Make what is missing, unless one was taken a moment ago.

        Raises
        ------
        OSError
            When the disk refuses.
        """
        while len(self._paths) < self._most and not stop.is_set() and monotonic() - self._taken_at > QUIET_SECONDS:
            path = f"{self._folder}/{self._next}"
            self._next += 1
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            self._paths.append(path)
