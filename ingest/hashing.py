"""Gives each instance the hash of its file, after the answer and before its series is announced."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import get_native_id
from time import thread_time

from ingest import hashing_store
from voorrang.errors import RetryableError
from voorrang.logs import get_logger
from voorrang.metrics import HASH_CPU_SECONDS
from voorrang.runtime import Runtime

BATCH = 100
EVERY_SECONDS = 1.0


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
        self._hash(batch)
        return bool(batch)

    def finish_series(self, series_instance_uid: str) -> None:
        """Hash what is left of a series, now."""
        with self.runtime.database.read() as connection:
            batch = hashing_store.without_hash(connection, -1, series_instance_uid)
        self._hash(batch)

    def _hash(self, batch: Sequence[str]) -> None:
        if not batch:
            return
        began = thread_time()
        hashes = [(locator, self._hash_of(locator)) for locator in batch]
        HASH_CPU_SECONDS.inc(thread_time() - began)
        with self.runtime.database.write() as connection:
            hashing_store.write_hashes(connection, hashes)

    def _hash_of(self, locator: str) -> str:
        try:
            with self.runtime.archive.path(locator).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return MISSING


MISSING = "missing"
