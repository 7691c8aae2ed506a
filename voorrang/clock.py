"""Time as a dependency: UTC always, and tests move it by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where the present comes from."""

    def now(self) -> datetime:
        """Return the present, UTC-aware."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present, UTC-aware."""
        return datetime.now(UTC)


class ManualClock:
    """
    A clock that stands still until it is moved.

    Parameters
    ----------
    start
        UTC-aware time to begin at.
    """

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        """Return the time set by hand."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move forward by so many seconds."""
        self._now += timedelta(seconds=seconds)


def utc(value: datetime) -> datetime:
    """Return a stored time as UTC-aware: SQLite drops the zone, and everything stored is UTC."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
