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
STOP_SECONDS = 20.0
STOP_DEPENDENTS_SECONDS = 5.0


@dataclass(slots=True)
class _Watch:
    restarts: int = 0
    started_at: float = 0.0
    restart_at: float | None = None


@dataclass(slots=True)
class Supervisor:
    """
    Runs children until told to stop.

    A child that dies is restarted alone, unless it bears the later groups: when the broker dies, its memory is gone
    and with it every membership, so the services are stopped and begin anew with the new broker. Nothing is lost by
    that: the archive and the database are the truth.

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
            failed = self._start_group(group)
            if failed is not None or self.stop.is_set():
                self.end()
            if self.stop.is_set():
                return False
            if failed is not None:
                raise ConfigurationError(f"{failed.name} could not start; everything was stopped")
        return True

    def run(self) -> None:
        """Restart what dies until told to stop, then end everything."""
        while not self.stop.wait(LOOK_EVERY_SECONDS):
            for number, group in enumerate(self.children):
                dead = [child for child in group if child.exit_code() is not None]
                for child in dead:
                    self._look_after(child, self.children[number + 1 :] if child.bears_others else ())
                if any(child.bears_others for child in dead):
                    break  # what depends on it was stopped with it, and starts with it
        self.end()

    def end(self) -> None:
        """Stop all: the last group first, the broker last."""
        _stop(self.children, STOP_SECONDS)

    def _start_group(self, group: Sequence[Child]) -> Child | None:
        """Start a group and wait until it is ready; return the child that did not become so."""
        for child in group:
            self._start(child)
        deadline = monotonic() + START_SECONDS
        while waiting := [child for child in group if not child.check_ready()]:
            failed = [child for child in waiting if child.exit_code() is not None]
            if failed or monotonic() > deadline:
                return (failed or waiting)[0]
            if self.stop.wait(LOOK_EVERY_SECONDS):
                return None
        return None

    def _start(self, child: Child) -> None:
        watch = self._watches.setdefault(child.name, _Watch())
        watch.started_at, watch.restart_at = monotonic(), None
        child.start()

    def _look_after(self, child: Child, dependents: Sequence[Sequence[Child]]) -> None:
        watch = self._watches[child.name]
        if watch.restart_at is None:
            if monotonic() - watch.started_at > CALM_SECONDS:
                watch.restarts = 0
            wait = min(LAST_RESTART_SECONDS, FIRST_RESTART_SECONDS * 2**watch.restarts)
            watch.restarts += 1
            watch.restart_at = monotonic() + wait
            get_logger().warning("restarting", child=child.name, exit_code=child.exit_code(), in_seconds=wait)
            _stop(dependents, STOP_DEPENDENTS_SECONDS)
        elif monotonic() >= watch.restart_at:
            if dependents:
                self._start_group([child])
            else:
                self._start(child)
            for one in (one for group in dependents for one in group):
                self._start(one)


def _stop(groups: Sequence[Sequence[Child]], seconds: float) -> None:
    for group in reversed(groups):
        for child in group:
            child.ask_to_stop()
        deadline = monotonic() + seconds
        for child in group:
            child.wait_stopped(max(0.1, deadline - monotonic()))
