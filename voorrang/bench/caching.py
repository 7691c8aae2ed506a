"""Takes files out of the page cache."""

from __future__ import annotations

import os
from pathlib import Path


def drop_from_cache(folder: Path) -> None:
    """Let the system forget the pages of every file below a folder; they must have been written to disk before."""
    for path in folder.rglob("*"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            continue  # gone meanwhile, or no file
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
