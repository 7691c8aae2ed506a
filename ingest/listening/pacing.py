"""Holds back senders that are agreed to send no faster than a rate: their answers come later, nothing is refused."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from time import monotonic

from ingest.listening.configuration import ListenerConfiguration


class Pacer:
    """
    One schedule for each calling AE title with a rate, whatever the number of its associations.

    Parameters
    ----------
    configuration
        Knows the rates.
    pause
        Waits so many seconds, or until the listener stops.
    seconds
        A clock that only goes forward.
    """

    def __init__(
        self,
        configuration: ListenerConfiguration,
        pause: Callable[[float], object],
        seconds: Callable[[], float] = monotonic,
    ) -> None:
        self._configuration = configuration
        self._pause = pause
        self._seconds = seconds
        self._next: dict[str, float] = {}
        self._lock = Lock()

    def wait(self, calling_ae_title: str) -> None:
        """Return when the next answer to this sender is due."""
        rate = self._configuration.sender(calling_ae_title).max_instances_per_second
        if not rate:
            return
        with self._lock:
            now = self._seconds()
            due = max(now, self._next.get(calling_ae_title, now))
            self._next[calling_ae_title] = due + 1.0 / rate
        if due > now:
            self._pause(due - now)
