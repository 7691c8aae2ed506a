"""Keeps child processes running: restarts what dies, stops all in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event as Flag
from time import monotonic

from voorrang.errors import ConfigurationError
from voorrang.logs import get_logger
from voorrang.stack.child import Child

START_SECONDS = 60.0
LOOK_EVERY_SECONDS = 0.05
FIRST_RESTART_SECONDS = 0.5
LAST_RESTART_SECONDS = 10.0
CALM_SECONDS = 60.0


@dataclass(slots=True)
class _Watch:
    restarts: int = 0
    started_at: float = 0.0
    restart_at: float | None = None


@dataclass(slots=True)
class Supervisor:
    """
    Runs children until told to stop.

    Parameters
    ----------
    children
        Groups, each started when the one before it is ready; stopped the other way round.
    stop
        Set from outside.
    """

    children: Sequence[Sequence[Child]]
    stop: Flag
    _watches: dict[str, _Watch] = field(default_factory=dict)

    def start(self) -> bool:
        """
        Start everything; False when told to stop meanwhile.

        Raises
        ------
        ConfigurationError
            When a child ends or stays silent before it is ready; everything is stopped then. It has said why.
        """
        for group in self.children:
            for child in group:
                self._start(child)
            deadline = monotonic() + START_SECONDS
            while not all(child.check_ready() for child in group):
                if self.stop.wait(LOOK_EVERY_SECONDS):
                    self.end()
                    return False
                failed = [child for child in group if child.exit_code() is not None]
                if failed or monotonic() > deadline:
                    slow = failed or [child for child in group if not child.check_ready()]
                    self.end()
                    raise ConfigurationError(f"{slow[0].name} could not start; everything was stopped")
        return True

    def run(self) -> None:
        """Restart what dies until told to stop, then end everything."""
        while not self.stop.wait(LOOK_EVERY_SECONDS):
            for group in self.children:
                for child in group:
                    self._look_after(child)
        self.end()

    def end(self) -> None:
        """Stop all: the last group first, the broker last."""
        for group in reversed(self.children):
            for child in group:
                child.ask_to_stop()
            for child in group:
                child.wait_stopped()

    def _start(self, child: Child) -> None:
        watch = self._watches.setdefault(child.name, _Watch())
        watch.started_at, watch.restart_at = monotonic(), None
        child.start()

    def _look_after(self, child: Child) -> None:
        watch = self._watches[child.name]
        code = child.exit_code()
        if code is None:
            return
        if watch.restart_at is None:
            if monotonic() - watch.started_at > CALM_SECONDS:
                watch.restarts = 0
            wait = min(LAST_RESTART_SECONDS, FIRST_RESTART_SECONDS * 2**watch.restarts)
            watch.restarts += 1
            watch.restart_at = monotonic() + wait
            get_logger().warning("restarting", child=child.name, exit_code=code, in_seconds=wait)
        elif monotonic() >= watch.restart_at:
            self._start(child)
