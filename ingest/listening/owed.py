"""Instances that were answered and whose file the disk then refused: it is asked again until it takes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Event as Flag
from threading import Lock

from ingest.listening.promise import Promise
from voorrang.logs import get_logger

AGAIN_SECONDS = 0.5


class Owed:
    """
    What is to be kept later; the write-ahead log has it meanwhile, and the next start finds it there.

    Parameters
    ----------
    keep
        Does for a promise and its bytes what is to be done.
    """

    def __init__(self, keep: Callable[[Promise, memoryview], None]) -> None:
        self._keep = keep
        self._waiting: deque[tuple[Promise, bytes]] = deque()
        self._lock = Lock()

    def __len__(self) -> int:
        """Return how many wait: one for each association at most, since nothing is promised meanwhile."""
        return len(self._waiting)

    def add(self, promise: Promise, content: bytes, why: Exception) -> None:
        """Take over what could not be kept."""
        self._waiting.append((promise, content))
        _tell(why)

    def step(self) -> None:
        """Ask once for each: what can be kept now is."""
        with self._lock:
            for _ in range(len(self._waiting)):
                promise, content = self._waiting.popleft()
                try:
                    self._keep(promise, memoryview(content))
                except Exception as error:  # noqa: BLE001 - told, and tried again: it was answered
                    self._waiting.append((promise, content))
                    _tell(error)

    def run(self, stop: Flag) -> None:
        """Ask again and again until told to stop."""
        while not stop.wait(AGAIN_SECONDS):
            self.step()


def _tell(why: Exception) -> None:
    get_logger().error("an instance waits in the write-ahead log", reason=str(why) or type(why).__name__)
