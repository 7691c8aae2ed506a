"""
When instances came, told so that a clock that was set back cannot keep a series waiting.

Receive times are written by the clock of the moment. After a step back some lie in the future, and waiting for them
to pass would take as long as the step was. What lies in the future is taken to have come when it was first seen.
A step forward needs nothing: the series is found quiet or past its cap too early, and what comes later makes the next
revision.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime

from ingest.completeness import Arrival

_Key = tuple[Hashable, ...]


@dataclass(slots=True)
class Arrivals:
    """
    First sights of what has a receive time in the future; in memory, since after a start it is seen first again.

    A sight is of what is held: more instances, or another revision, are another sight.
    """

    _seen: dict[_Key, datetime] = field(default_factory=dict)
    _asked: set[_Key] = field(default_factory=set)

    def arrival(
        self, series: _Key, holds: int, began_at: datetime, last_at: datetime, now: datetime, forced: bool = False
    ) -> Arrival:
        """
        Return when a series came, at the latest now.

        Parameters
        ----------
        series
            What names the series, or a claim on it.
        holds
            How many instances, or which revision; another number is another arrival.
        began_at, last_at
            The receive times of its first and last instance, as stored.
        now
            The present.
        forced
            Whether an operator waits no more.
        """
        began = self._sight((*series, "began"), began_at, now)
        return Arrival(began, self._sight((*series, "last", holds), last_at, now), forced)

    def forget_the_rest(self) -> None:
        """Drop the sights that nobody has asked for since the last call."""
        self._seen = {key: at for key, at in self._seen.items() if key in self._asked}
        self._asked = set()

    def _sight(self, key: _Key, stored_at: datetime, now: datetime) -> datetime:
        if stored_at <= now:
            return stored_at
        self._asked.add(key)
        self._seen[key] = min(self._seen.get(key, now), now)
        return self._seen[key]
