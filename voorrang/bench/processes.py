"""What processes cost: CPU seconds and peak memory of a process and everything that it started, from /proc."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from time import clock_gettime, monotonic
from types import TracebackType
from typing import Self

SAMPLE_EVERY_SECONDS = 0.1
_OF_ALL_ITS_THREADS = 2  # the clock of clock_getcpuclockid(3), which Python has for itself alone; in nanoseconds
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_IDLE_WINDOW_SECONDS = 0.2
_IDLE_CPU_SECONDS = 0.02


def process_tree(*pids: int) -> list[int]:
    """Return processes and everything below them, as far as they are there; in one look at all that run."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - names are all that is wanted, often
        if entry.isdigit() and (fields := _stat(int(entry))):
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, waiting = [], list(pids)
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += children.get(one, [])
    return found


def cpu_seconds(pid: int) -> float:
    """Return user and system seconds of a process and everything below it; of ended children in whole ticks."""
    return sum(_seconds_on_its_clock(one) + _seconds_of_ended_children(one) for one in process_tree(pid))


def own_cpu_seconds(pid: int) -> float:
    """Return user and system seconds of a process alone; 0 when it is gone."""
    fields = _stat(pid)
    return sum(map(int, fields[11:13])) / _TICKS_PER_SECOND if fields else 0.0


def peak_rss_bytes(pid: int) -> int:
    """Return the most memory (VmHWM) that a process alone has had; 0 when it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def wait_idle(pids: Collection[int], seconds: float) -> bool:
    """Wait until processes have next to nothing to do, so that the next measurement is of the next receiver."""

    def is_idle() -> bool:
        """Look at them for a moment."""
        before = sum(map(cpu_seconds, pids))
        Flag().wait(_IDLE_WINDOW_SECONDS)
        return sum(map(cpu_seconds, pids)) - before <= _IDLE_CPU_SECONDS

    return wait_until(is_idle, seconds, every=0)


def wait_until(holds: Callable[[], bool], seconds: float, every: float = 0.05) -> bool:
    """Look again and again until something holds; False when it did not in time."""
    deadline = monotonic() + seconds
    while not holds():
        if monotonic() > deadline:
            return False
        Flag().wait(every)
    return True


class PeakWatch:
    """
    Sees the memory of processes while something runs, also of children that end meanwhile, as a context.

    Parameters
    ----------
    pids
        The processes; everything below them is watched too.
    """

    def __init__(self, pids: Collection[int]) -> None:
        self._pids = list(pids)
        self._stop = Flag()
        self.sum_bytes = 0
        self.largest_bytes = 0
        self._thread = Thread(target=self._watch, name="peak", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_EVERY_SECONDS):
            self._look()

    def _look(self) -> None:
        peaks = [peak_rss_bytes(one) for one in process_tree(*self._pids)]
        self.sum_bytes = max(self.sum_bytes, sum(peaks))
        self.largest_bytes = max(self.largest_bytes, max(peaks, default=0))


def _seconds_on_its_clock(pid: int) -> float:
    with suppress(OSError):  # it is gone
        return clock_gettime(~pid << 3 | _OF_ALL_ITS_THREADS)
    return 0.0


def _seconds_of_ended_children(pid: int) -> float:
    fields = _stat(pid)
    return sum(map(int, fields[13:15])) / _TICKS_PER_SECOND if fields else 0.0  # cutime, cstime


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the name, the state first; empty when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text[text.rindex(")") + 2 :].split()
