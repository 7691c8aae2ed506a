"""Gives each instance the hash of its file, after the answer and before its series is announced."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import get_native_id
from time import sleep, thread_time

from ingest import hashing_store
from ingest.hashing_store import MISSING
from voorrang.archive import Archive
from voorrang.database import Database
from voorrang.errors import RetryableError
from voorrang.logs import get_logger
from voorrang.metrics import HASH_CPU_SECONDS
from voorrang.runtime import Runtime

BATCH = 100
EVERY_SECONDS = 1.0
ATTEMPTS_TO_READ = 3


@dataclass(slots=True)
class Hasher:
    """
    Hashes what has no hash.

    Parameters
    ----------
    runtime
        The service.
    is_quiet
        Tells whether nothing comes in just now: whoever sends shall not wait for this.
    """

    runtime: Runtime
    is_quiet: Callable[[], bool] = lambda: True

    def run(self) -> None:
        """Work until told to stop, when nothing else wants the processor."""
        os.setpriority(os.PRIO_PROCESS, get_native_id(), 19)
        while not self.runtime.stop.wait(EVERY_SECONDS):
            try:
                while self.is_quiet() and not self.runtime.stop.is_set() and self.step():
                    pass
            except RetryableError as error:
                get_logger().warning("hashing waits", reason=str(error))

    def step(self) -> bool:
        """Hash one batch; False when there was none."""
        with self.runtime.database.read() as connection:
            batch = hashing_store.without_hash(connection, BATCH)
        _hash(self.runtime.database, self.runtime.archive, batch, self.runtime.stop.wait)
        return bool(batch)

    def finish_series(self, series_instance_uid: str) -> None:
        """Hash what is left of a series, now."""
        hash_series(self.runtime.database, self.runtime.archive, series_instance_uid, self.runtime.stop.wait)


def hash_series(
    database: Database, archive: Archive, series_instance_uid: str, wait: Callable[[float], object] = sleep
) -> None:
    """
    Hash what has no hash of a series, what could not be read before too.

    Parameters
    ----------
    database, archive
        Where its rows and its files are.
    series_instance_uid
        The series.
    wait
        Called with seconds between attempts to read from a disk that gives errors.
    """
    with database.read() as connection:
        batch = hashing_store.without_hash_of_series(connection, series_instance_uid)
    _hash(database, archive, batch, wait)


def _hash(database: Database, archive: Archive, batch: Sequence[str], wait: Callable[[float], object]) -> None:
    if not batch:
        return
    began = thread_time()
    hashes: dict[str, str] = {}
    for attempt in range(ATTEMPTS_TO_READ):
        left = [locator for locator in batch if locator not in hashes]
        if not left:
            break
        wait(attempt)
        hashes |= {locator: digest for locator in left if (digest := _hash_of(archive, locator))}
    HASH_CPU_SECONDS.inc(thread_time() - began)
    if unread := len(batch) - len(hashes):
        get_logger().error("instances cannot be read, and have no hash", count=unread)
    with database.write() as connection:
        hashing_store.write_hashes(connection, [(locator, hashes.get(locator, MISSING)) for locator in batch])


def _hash_of(archive: Archive, locator: str) -> str:
    """Return the hash of a file, or that it is missing; empty when the disk does not give it."""
    try:
        with archive.path(locator).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        get_logger().warning("archive", reason=type(error).__name__)
        return ""
