"""Ends a process when the one that started it ends, however that ends; Linux only."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # Linux prctl(2)


def end_with_parent(by: signal.Signals = signal.SIGKILL) -> None:
    """Ask to be sent a signal when the parent dies: for between fork and exec, or in the child itself."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, by)


def is_orphan(parent: int) -> bool:
    """Tell whether the parent died before it was asked."""
    return os.getppid() != parent
