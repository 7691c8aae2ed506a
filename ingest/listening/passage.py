"""One association's part in who goes first: when it has the right of way, and when it gives way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from ingest.listening.recent_bytes import RecentBytes
from ingest.listening.right_of_way import HOLD_SECONDS, URGENT, Claim, RightOfWay

EVERY_SECONDS = HOLD_SECONDS / 3  # an instance at full speed takes a tenth of that: not each is worth a look
TRIAL_SECONDS = 0.5
LEAST_BYTES_PER_SECOND = 20e6  # who brings less while others wait could not use what they give up
AGAIN_AFTER_SECONDS = 10.0
ASK_EVERY_SECONDS = 0.25  # in between nothing but bytes is counted where nobody could come in anybody's way


@dataclass(slots=True)
class Passage:
    """
    What an association tells the others, and asks them; times are seconds of the monotonic clock.

    Who is not urgent goes first only at full speed: its next instance has begun to come within the moment for which
    the right would be held. A sender with a pace of its own would hold it for nothing. (To wait for the next request
    of whom was served last, and only while experience says that it comes, is the anticipation of Iyer and Druschel,
    SOSP 2001.) And whoever has the right and brings little all the same, over a slow line, loses it for a while.

    Parameters
    ----------
    right_of_way, recent_bytes
        Of the process.
    sender
        Its number.
    is_urgent
        Whether it is agreed to go before everybody.
    matters
        Tells whether anybody could have to wait for anybody.
    """

    right_of_way: RightOfWay
    recent_bytes: RecentBytes
    sender: int
    is_urgent: bool
    matters: Callable[[], bool]
    _claim: Claim = field(init=False)
    _is_alone: bool = False
    _ask_at: float = -inf
    _uncounted_bytes: int = 0
    _answered_at: float = -inf
    _is_busy: bool = False
    _tell_at: float = -inf
    _look_at: float = -inf
    _trial_at: float = -inf
    _trial_bytes: int = 0
    _slow_until: float = -inf

    def __post_init__(self) -> None:
        """Begin with what the sender has sent on other associations."""
        self._claim = self._counted()

    def begin(self, now: float) -> None:
        """Say that an instance has begun to come."""
        goes_on = now - self._answered_at < HOLD_SECONDS
        if not goes_on:
            self._begin_trial(now)
        self._is_busy = self.is_urgent or goes_on
        self.go_on(now)

    def go_on(self, now: float, size_bytes: int = 0) -> None:
        """Say that so much more of it has come."""
        self._uncounted_bytes += size_bytes
        self._trial_bytes += size_bytes
        if self._is_busy and now >= self._tell_at and not self._is_alone:
            self._claim = self._counted()
            self.right_of_way.tell(id(self), self._claim, goes_first=self._is_worth_it(now))
            self._tell_at = now + EVERY_SECONDS

    def end(self, now: float, pause: Callable[[float], bool]) -> float:
        """
        Say that an instance is stored, and give way before it is answered.

        Parameters
        ----------
        now
            When.
        pause
            Waits so many seconds; True when the listener stops.

        Returns
        -------
        float
            Seconds waited.
        """
        waited = 0.0
        if now >= self._ask_at:
            self._ask_at = now + ASK_EVERY_SECONDS
            self._is_alone = not self.matters()
            self._claim = self._counted()
        if now >= self._look_at and not self._is_alone:
            self._claim = self._counted()
            if not self.is_urgent:
                waited = self.right_of_way.give(self._claim, pause)
            self._look_at = now + waited + EVERY_SECONDS
        if waited:
            self._begin_trial(now + waited)
        self.go_on(now + waited)
        self._is_busy = False
        self._answered_at = now + waited
        return waited

    def leave(self) -> None:
        """Say that the association has ended."""
        self._counted()
        self.right_of_way.leave(id(self))

    def _counted(self) -> Claim:
        recent_bytes = self.recent_bytes.add(self.sender, self._uncounted_bytes)
        self._uncounted_bytes = 0
        return Claim(URGENT if self.is_urgent else recent_bytes, self.sender)

    def _begin_trial(self, now: float) -> None:
        self._trial_at, self._trial_bytes = now, 0

    def _is_worth_it(self, now: float) -> bool:
        """Tell whether it may go first: not for a while after it had the right and brought little."""
        if now < self._slow_until:
            self._begin_trial(now)
        elif (took := now - self._trial_at) >= TRIAL_SECONDS:
            if self._trial_bytes < LEAST_BYTES_PER_SECOND * took:
                self._slow_until = now + AGAIN_AFTER_SECONDS
            self._begin_trial(now)
        return now >= self._slow_until
