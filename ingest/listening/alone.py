"""One listener for one archive: whoever writes to it holds its lock."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag
from time import monotonic

from voorrang.errors import ConfigurationError

LOCK_SECONDS = 5.0  # a listener that was killed lets go when its last process has ended


@contextmanager
def only_listener(folder: Path) -> Iterator[None]:
    """
    Hold an archive's lock.

    Raises
    ------
    ConfigurationError
        When another listener has it, and does not let go.
    """
    with (folder / "listener.lock").open("w") as lock:
        deadline = monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if monotonic() > deadline:
                    raise ConfigurationError("another listener writes this archive: stop it first") from error
                Flag().wait(0.05)
        yield
