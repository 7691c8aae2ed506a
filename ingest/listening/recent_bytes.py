"""How much each sender has sent of late, over all processes of the listener, in memory that they share."""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Callable
from math import exp
from threading import Lock
from time import monotonic

MEMORY_SECONDS = 300.0  # what was sent so long ago counts for 1/e
BUCKETS = 4096
_BUCKET = struct.Struct("dd")  # bytes, and when that was so; in native order
TABLE_BYTES = BUCKETS * _BUCKET.size


class RecentBytes:
    """
    Bytes that fade: one table for each process, written by that process alone and read by all.

    What a process has counted stays when it is killed and replaced. Two senders in a bucket count as one, which of a
    hundred senders happens to one in forty.

    Parameters
    ----------
    shared
        Memory of `TABLE_BYTES` for each process.
    index
        Which table is ours.
    seconds
        A clock that all processes share and that only goes forward.
    """

    def __init__(
        self, shared: mmap.mmap | None = None, index: int = 0, seconds: Callable[[], float] = monotonic
    ) -> None:
        self._shared = shared or mmap.mmap(-1, TABLE_BYTES)
        self._own_at = index * TABLE_BYTES
        self._seconds = seconds
        self._lock = Lock()

    def add(self, sender: int, size_bytes: int) -> float:
        """Count what a sender has sent, and return how much that makes of late, over all processes."""
        at = sender % BUCKETS * _BUCKET.size
        now = self._seconds()
        if size_bytes:
            with self._lock:
                _BUCKET.pack_into(
                    self._shared, self._own_at + at, self._faded(self._own_at + at, now) + size_bytes, now
                )
        return sum(self._faded(table + at, now) for table in range(0, len(self._shared), TABLE_BYTES))

    def _faded(self, at: int, now: float) -> float:
        sent, when = _BUCKET.unpack_from(self._shared, at)
        return float(sent * exp(min(0.0, when - now) / MEMORY_SECONDS))


def sender_number(calling_ae_title: str, address: str) -> int:
    """Return the number of a sender: two that say the same title from different addresses are two."""
    return zlib.crc32(f"{calling_ae_title}\n{address}".encode())
