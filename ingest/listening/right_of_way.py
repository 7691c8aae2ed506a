"""Who is urgent goes first: while an urgent sender's instance comes in, the answers to others wait, for a moment."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from threading import Lock
from time import monotonic

SLOT_BYTES = 8
HOLD_SECONDS = 0.03  # after a fragment the next is awaited this long, and after an instance the next one
GIVE_SECONDS = 0.2  # how long one answer waits at most: nobody comes near a time-out
LOOK_SECONDS = 0.02
_UNTIL = struct.Struct("d")  # in native order, so that it is written at once; seconds of CLOCK_MONOTONIC, the machine's


class RightOfWay:
    """
    One slot for each process of the listener, written by that process alone and read by all.

    A sender whose answer waits sends nothing meanwhile: processors and disk are the urgent one's. Who is urgent but
    slow, or stalls, has the right only for a moment after each of its fragments: it could not use more.

    Parameters
    ----------
    shared
        Memory of `SLOT_BYTES` for each process.
    index
        Which slot is ours.
    seconds
        A clock that all processes share and that only goes forward.
    """

    def __init__(
        self, shared: mmap.mmap | None = None, index: int = 0, seconds: Callable[[], float] = monotonic
    ) -> None:
        self._shared = shared or mmap.mmap(-1, SLOT_BYTES)
        self._index = index
        self._seconds = seconds
        self._until: dict[int, float] = {}
        self._lock = Lock()
        self._write()  # a process that was killed and is replaced has left something

    def take(self, who: int) -> None:
        """Say that a part of an instance of an urgent association has come, or that it is stored."""
        with self._lock:
            self._until[who] = self._seconds() + HOLD_SECONDS
            self._write()

    def leave(self, who: int) -> None:
        """Say that an urgent association has ended."""
        with self._lock:
            self._until.pop(who, None)
            self._write()

    def give(self, pause: Callable[[float], bool]) -> float:
        """
        Wait while anybody has the right of way, for `GIVE_SECONDS` at most.

        Parameters
        ----------
        pause
            Waits so many seconds; True when the listener stops.

        Returns
        -------
        float
            Seconds waited.
        """
        began = now = self._seconds()
        while self._is_taken(now) and now - began < GIVE_SECONDS and not pause(LOOK_SECONDS):
            now = self._seconds()
        return now - began

    def _is_taken(self, now: float) -> bool:
        return any(until > now for (until,) in _UNTIL.iter_unpack(self._shared[:]))

    def _write(self) -> None:
        _UNTIL.pack_into(self._shared, self._index * SLOT_BYTES, max(self._until.values(), default=0.0))
