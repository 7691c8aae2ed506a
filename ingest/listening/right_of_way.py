"""Who goes first at the door: while an instance of theirs comes in, the answers to others wait, for a moment."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import NamedTuple

HOLD_SECONDS = 0.03  # after a fragment the next is awaited this long, and after an instance the next one
GIVE_SECONDS = 0.2  # how long one answer waits at most: nobody comes near a time-out
LOOK_SECONDS = 0.02
MARGIN_BYTES = (
    64e6  # who has sent so much more of late goes after: alike are alike, whatever the order of their answers
)
URGENT = float("-inf")
_SLOT = struct.Struct("ddQ")  # in native order; the end in seconds of CLOCK_MONOTONIC, the machine's; a `Claim`
SLOT_BYTES = _SLOT.size


class Claim(NamedTuple):
    """
    Who wants to go first, and on what account.

    Parameters
    ----------
    recent_bytes
        What this sender has sent of late; `URGENT` goes before everybody.
    sender
        Number of the sender, the same in all processes: one does not give way to itself.
    """

    recent_bytes: float
    sender: int

    def goes_before(self, other: Claim) -> bool:
        """Tell whether another has to wait for this one."""
        return self.sender != other.sender and self.recent_bytes + MARGIN_BYTES < other.recent_bytes


class _Held(NamedTuple):
    until: float
    claim: Claim


class RightOfWay:
    """
    One slot for each process of the listener, written by that process alone and read by all.

    A sender whose answer waits sends nothing meanwhile: processors and disk are those of whom it waits for. Who is
    slow, or stalls, has the right only for a moment after each of its fragments: it could not use more. A slot tells
    of the one who goes before all others of its process; one that is read while it is written costs a moment.

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
        self._held: dict[int, _Held] = {}
        self._lock = Lock()
        self._write(0.0)  # a process that was killed and is replaced has left something

    def take(self, who: int, claim: Claim) -> None:
        """Say that a part of an instance of an association has come, or that it is stored."""
        with self._lock:
            now = self._seconds()
            self._held[who] = _Held(now + HOLD_SECONDS, claim)
            self._write(now)

    def leave(self, who: int) -> None:
        """Say that an association has ended."""
        with self._lock:
            self._held.pop(who, None)
            self._write(self._seconds())

    def give(self, claim: Claim, pause: Callable[[float], bool]) -> float:
        """
        Wait while anybody goes first who comes before this one, for `GIVE_SECONDS` at most.

        Parameters
        ----------
        claim
            Of whom is to be answered.
        pause
            Waits so many seconds; True when the listener stops.

        Returns
        -------
        float
            Seconds waited.
        """
        began = now = self._seconds()
        while self._is_taken(claim, now) and now - began < GIVE_SECONDS and not pause(LOOK_SECONDS):
            now = self._seconds()
        return now - began

    def _is_taken(self, claim: Claim, now: float) -> bool:
        for until, recent_bytes, sender in _SLOT.iter_unpack(self._shared[:]):
            if until > now and Claim(recent_bytes, sender).goes_before(claim):
                return True
        return False

    def _write(self, now: float) -> None:
        holding = [held for held in self._held.values() if held.until > now]
        first = min(holding, key=lambda held: held.claim.recent_bytes, default=_Held(0.0, Claim(0.0, 0)))
        _SLOT.pack_into(self._shared, self._index * SLOT_BYTES, first.until, *first.claim)
