"""The processes of the listener: two for each processor, on the same sockets; one that dies is replaced."""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
from collections.abc import Callable
from threading import Event as Flag
from time import monotonic

from voorrang.errors import ConfigurationError
from voorrang.logs import get_logger, of_defect
from voorrang.parent import end_with_parent, is_orphan

DEATHS_BEFORE_READY = 20  # times the number of processes: the listener gives up then
MOST = 4  # receiving is bound by the disk long before
LOOK_EVERY_SECONDS = 0.05
REPLACE_AFTER_SECONDS = 0.2
STOP_SECONDS = 20.0
GC_THRESHOLDS = (20_000, 20, 20)  # receiving makes no cycles to speak of: looked for seldom

Work = Callable[[int, Callable[[], None]], int]


def worker_count() -> int:
    """Return how many processes receive here: associations in one process wait for each other's Python."""
    return min(MOST, 2 * len(os.sched_getaffinity(0)))


class Workers:
    """
    Forks processes and keeps them.

    Parameters
    ----------
    count
        How many.
    work
        What each does, with its number and what it calls when it is ready, which returns when it may go on; returns
        its exit code.
    on_death
        Called with number and process id of one that died.
    """

    def __init__(self, count: int, work: Work, on_death: Callable[[int, int], None]) -> None:
        self._work = work
        self._on_death = on_death
        self._pids: dict[int, int] = {}
        self._count = count
        self._reading, self._writing = os.pipe()
        self._gate, self._keeper = os.pipe()  # closed until all are ready

    def start(self, stop: Flag) -> bool:
        """
        Start all and wait until each is ready, and waits to be let go on; False when it comes to nothing.

        One gave up or died often before, or we are told to stop.
        """
        gc.collect()
        gc.freeze()  # what was loaded until here stays shared between the processes
        gc.set_threshold(*GC_THRESHOLDS)
        for number in range(self._count):
            self._fork(number)
        ready: set[int] = set()
        deaths = 0
        while len(ready) < self._count:
            if select.select([self._reading], [], [], LOOK_EVERY_SECONDS)[0]:
                ready.update(os.read(self._reading, self._count))
            for number, pid, status in self._dead():
                deaths += 1
                if not os.WIFSIGNALED(status) or deaths > DEATHS_BEFORE_READY * self._count:
                    return False  # the next one would end so as well
                self._replace(number, pid, stop)
                ready.discard(number)
            if stop.is_set():
                return False
        return True

    def let_go_on(self) -> None:
        """Let go on what waits until all are ready."""
        if self._keeper >= 0:
            os.close(self._keeper)
            self._keeper = -1

    def keep(self, stop: Flag) -> None:
        """Replace what dies until told to stop."""
        while not stop.wait(LOOK_EVERY_SECONDS):
            for number, pid, _ in self._dead():
                self._replace(number, pid, stop)

    def end(self) -> None:
        """Ask all to stop, wait, and kill what does not."""
        self.let_go_on()
        for pid in self._pids.values():
            os.kill(pid, signal.SIGTERM)
        deadline = monotonic() + STOP_SECONDS
        while self._pids and monotonic() < deadline:
            self._dead()
            Flag().wait(LOOK_EVERY_SECONDS)
        for pid in self._pids.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def _tell_ready(self, number: int) -> None:
        os.write(self._writing, bytes([number]))
        os.read(self._gate, 1)  # nothing: its other end is closed when all are ready

    def _replace(self, number: int, pid: int, stop: Flag) -> None:
        get_logger().error("a listening process died; it is replaced", number=number)
        self._on_death(number, pid)
        stop.wait(REPLACE_AFTER_SECONDS)
        self._fork(number)

    def _dead(self) -> list[tuple[int, int, int]]:
        """Return number, process id and wait status of those that have ended since the last call."""
        waited = [(number, *os.waitpid(pid, os.WNOHANG)) for number, pid in self._pids.items()]
        found = [(number, pid, status) for number, pid, status in waited if pid]
        for number, _, _ in found:
            del self._pids[number]
        return found

    def _fork(self, number: int) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid:
            self._pids[number] = pid
            return
        code = 1
        try:
            self.let_go_on()  # our end of it
            end_with_parent()
            if not is_orphan(parent):
                code = self._work(number, lambda: self._tell_ready(number))
        except ConfigurationError as problem:
            sys.stderr.write(f"voorrang: {problem}\n")
        except Exception as error:  # noqa: BLE001 - told here; whoever forked us sees that we ended, and forks anew
            get_logger().error("a listening process failed", number=number, **of_defect(error))
            get_logger().debug("a listening process failed", exc_info=True)
        finally:
            sys.stderr.flush()
            os._exit(code)
