"""How much each sender has sent of late, as this process of the listener saw it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from math import exp
from threading import Lock
from time import monotonic

MEMORY_SECONDS = 300.0  # what was sent so long ago counts for 1/e
MAX_SENDERS = 1024  # titles are whatever somebody says: no more than these are remembered


class RecentBytes:
    """
    Bytes that fade.

    Parameters
    ----------
    seconds
        A clock that only goes forward.
    """

    def __init__(self, seconds: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._sent: dict[int, tuple[float, float]] = {}  # of each sender: bytes, and when that was so
        self._lock = Lock()

    def add(self, sender: int, size_bytes: int) -> float:
        """Count what a sender has sent, and return how much that makes of late."""
        with self._lock:
            now = self._seconds()
            total = self._faded(sender, now) + size_bytes
            self._sent[sender] = total, now
            if len(self._sent) > MAX_SENDERS:
                del self._sent[min(self._sent, key=lambda one: self._faded(one, now))]
            return total

    def _faded(self, sender: int, now: float) -> float:
        sent, at = self._sent.get(sender, (0.0, now))
        return sent * exp((at - now) / MEMORY_SECONDS)


def sender_number(calling_ae_title: str, address: str) -> int:
    """Return the number of a sender: two that say the same title from different addresses are two."""
    return zlib.crc32(f"{calling_ae_title}\n{address}".encode())
