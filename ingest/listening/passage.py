"""One association's part in who goes first: when it has the right of way, and when it gives way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from ingest.listening.recent_bytes import RecentBytes
from ingest.listening.right_of_way import HOLD_SECONDS, URGENT, Claim, RightOfWay

EVERY_SECONDS = HOLD_SECONDS / 3  # an instance at full speed takes a tenth of that: not each is worth a look


@dataclass(slots=True)
class Passage:
    """
    What an association tells the others, and asks them; times are seconds of the monotonic clock.

    Only who sends at full speed goes before others for having sent less: its next instance has begun to come within
    the moment for which the right would be held. A sender with a pace of its own would hold it for nothing. (To wait
    for the next request of whom was served last, and only while experience says that it comes, is the anticipation of
    Iyer and Druschel, SOSP 2001.)

    Parameters
    ----------
    right_of_way, recent_bytes
        Of the process.
    sender
        Its number.
    is_urgent
        Whether it is agreed to go before everybody.
    """

    right_of_way: RightOfWay
    recent_bytes: RecentBytes
    sender: int
    is_urgent: bool
    _claim: Claim = field(init=False)
    _uncounted_bytes: int = 0
    _answered_at: float = -inf
    _is_going: bool = False
    _take_at: float = -inf
    _look_at: float = -inf

    def __post_init__(self) -> None:
        """Begin with what the sender has sent on other associations."""
        self._claim = Claim(URGENT if self.is_urgent else self.recent_bytes.add(self.sender, 0), self.sender)

    def begin(self, now: float) -> None:
        """Say that an instance has begun to come."""
        self._is_going = self.is_urgent or now - self._answered_at < HOLD_SECONDS
        self.go_on(now)

    def go_on(self, now: float) -> None:
        """Say that more of it has come."""
        if self._is_going and now >= self._take_at:
            self.right_of_way.take(id(self), self._claim)
            self._take_at = now + EVERY_SECONDS

    def end(self, now: float, size_bytes: int, pause: Callable[[float], bool]) -> float:
        """
        Say that an instance is stored, and give way before it is answered.

        Parameters
        ----------
        now
            When.
        size_bytes
            Of the instance.
        pause
            Waits so many seconds; True when the listener stops.

        Returns
        -------
        float
            Seconds waited.
        """
        self._uncounted_bytes += size_bytes
        waited = 0.0
        if now >= self._look_at:
            waited = self._give_way(pause)
            self._look_at = now + waited + EVERY_SECONDS
        self.go_on(now + waited)
        self._is_going = False
        self._answered_at = now + waited
        return waited

    def leave(self) -> None:
        """Say that the association has ended."""
        self._count()
        self.right_of_way.leave(id(self))

    def _give_way(self, pause: Callable[[float], bool]) -> float:
        recent_bytes = self._count()
        if self.is_urgent:
            return 0.0
        self._claim = Claim(recent_bytes, self.sender)
        return self.right_of_way.give(self._claim, pause)

    def _count(self) -> float:
        counted, self._uncounted_bytes = self._uncounted_bytes, 0
        return self.recent_bytes.add(self.sender, counted)
