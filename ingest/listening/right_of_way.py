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
CROWD_OF_EACH = 2  # more than so many at full speed for each process: they come in each other's way
BUSY_SECONDS = 1.0  # who was at full speed so shortly ago may be waiting for an answer
URGENT = float("-inf")
_SLOT = struct.Struct("ddQdQ")  # in native order; times are those of CLOCK_MONOTONIC, the machine's
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


class _Told(NamedTuple):
    at: float
    until: float
    claim: Claim


class _Slot(NamedTuple):
    """Of a process: who goes before all others of it, until when, and how many are busy there."""

    until: float
    recent_bytes: float
    sender: int
    busy_until: float
    busy: int


class RightOfWay:
    """
    One slot for each process of the listener, written by that process alone and read by all.

    A sender whose answer waits sends nothing meanwhile: processors and disk are those of whom it waits for. Who is
    urgent goes first always, who has sent less only in a crowd. A slot that is read while it is written costs a moment.

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
        self._told: dict[int, _Told] = {}
        self._lock = Lock()
        self._write(0.0)  # a process that was killed and is replaced has left something

    def is_crowd(self, associations: int) -> bool:
        """Tell whether so many, at full speed, come in each other's way."""
        return associations > CROWD_OF_EACH * (len(self._shared) // SLOT_BYTES)

    def tell(self, who: int, claim: Claim, *, goes_first: bool = True) -> None:
        """
        Say that a part of an instance of a busy association has come, or that it is stored.

        Parameters
        ----------
        who
            The association.
        claim
            Its sender's.
        goes_first
            Whether those who come after it are to wait; or it counts in the crowd only.
        """
        with self._lock:
            now = self._seconds()
            self._told[who] = _Told(now, now + HOLD_SECONDS if goes_first else 0.0, claim)
            self._write(now)

    def leave(self, who: int) -> None:
        """Say that an association has ended."""
        with self._lock:
            self._told.pop(who, None)
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
        while self._is_taken(claim, now) and (left := began + GIVE_SECONDS - now) > 0:
            if pause(min(LOOK_SECONDS, left)):
                break
            now = self._seconds()
        return now - began

    def _is_taken(self, claim: Claim, now: float) -> bool:
        slots = [_Slot._make(values) for values in _SLOT.iter_unpack(self._shared[:])]
        first = [
            slot for slot in slots if slot.until > now and Claim(slot.recent_bytes, slot.sender).goes_before(claim)
        ]
        if not first or any(slot.recent_bytes == URGENT for slot in first):
            return bool(first)
        return self.is_crowd(sum(slot.busy for slot in slots if slot.busy_until > now))

    def _write(self, now: float) -> None:
        first = min(
            (told for told in self._told.values() if told.until > now),
            key=lambda told: (told.claim.recent_bytes, -told.until),
            default=_Told(0.0, 0.0, Claim(0.0, 0)),
        )
        busy = sum(told.at + BUSY_SECONDS > now for told in self._told.values())
        values = (first.until, *first.claim, now + BUSY_SECONDS, busy)
        _SLOT.pack_into(self._shared, self._index * SLOT_BYTES, *values)
