"""When to take in what has come: not while more comes, since many at once cost little more than one."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from time import monotonic

LOOK_EVERY_SECONDS = 0.2
AT_MOST_SECONDS = 1.0


@dataclass(slots=True)
class Pausing:
    """
    Waits for a pause in what comes, so that whoever sends has the processors meanwhile; for a second at most.

    Parameters
    ----------
    mark
        Another value whenever something has come.
    wait
        Waits so many seconds; True when it is time to stop.
    now
        Seconds that only grow.
    """

    mark: Callable[[], Hashable]
    wait: Callable[[float], bool]
    now: Callable[[], float] = monotonic
    has_some: bool = False
    _seen: Hashable = None

    def until_pause(self) -> None:
        """Return when something has come and then nothing, or more for a second; or when it is time to stop."""
        began_at: float | None = None
        while not self.wait(LOOK_EVERY_SECONDS):
            mark = self.mark()
            if mark != self._seen:
                self._seen = mark
                self.has_some = True
                began_at = self.now() if began_at is None else began_at
                if self.now() - began_at < AT_MOST_SECONDS:
                    continue
            if self.has_some:
                return
