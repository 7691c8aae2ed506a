"""Lets the processors be others' first: whoever sends waits for the listener; for what assembles nobody does."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

NICENESS = 10
_AUTOGROUP = Path("/proc/self/autogroup")
_TURN_S = 0.1  # Linux takes one such word in this time, from all who are not root together
_TURNS = 20


def stand_back() -> None:
    """
    Raise the niceness of this process, and that of its session where Linux shares out by sessions first.

    There (sched_autogroup, see sched(7)) the niceness of a process counts among those of its session alone; a session
    that is not ours, a terminal's, keeps its own.
    """
    os.nice(NICENESS)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):  # a kernel without it, or containers that have their own shares
            _let_sessions_go_first()


def _let_sessions_go_first() -> None:
    for _ in range(_TURNS):
        with suppress(BlockingIOError):
            _AUTOGROUP.write_text(str(NICENESS))
            return
        time.sleep(_TURN_S)
