"""How many cores each process of a stack takes while something goes on."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from time import monotonic

from voorrang.bench.processes import own_cpu_seconds, process_tree

_NAMES = {
    "ingest.listening": "ingest listen",
    "inference.running.child": "models of inference",
    "tansu": "broker",
}


class CoresWatch:
    """
    Begins to count when it is made.

    Parameters
    ----------
    pid
        Of `voorrang up`.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._began, self._before = monotonic(), self._seconds()

    def cores(self) -> dict[str, float]:
        """Return cores by name of process since then."""
        seconds = monotonic() - self._began
        now = self._seconds()
        return {name: round((now[name] - self._before[name]) / seconds, 4) for name in sorted(now)}

    def _seconds(self) -> dict[str, float]:
        found: defaultdict[str, float] = defaultdict(float)
        for pid in process_tree(self._pid):
            found[_name(pid)] += own_cpu_seconds(pid)
        return found


def _name(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "ended"
    for mark, name in _NAMES.items():
        if any(mark in word for word in words[:3]):
            return name
    return " ".join(word for word in words[words.index("voorrang") + 1 :] if word) if "voorrang" in words else "other"
