"""What receivers use while nothing comes: it is no part of what receiving costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from voorrang.bench.processes import wait_idle
from voorrang.bench.receiver import Receiver

PERIOD_SECONDS = 5.0  # what recurs seldom in ours, accounting and reconciling, recurs in this time: it comes in once
_PATIENCE_SECONDS = 15.0


def idle_cpu_shares(receivers: Sequence[Receiver], wait: Callable[[float], object]) -> dict[str, float]:
    """
    Measure what each receiver uses of one processor while none is sent anything.

    Parameters
    ----------
    receivers
        Started; all are measured at once.
    wait
        Waits so many seconds.

    Returns
    -------
    dict
        Shares by the receivers' names.
    """
    for receiver in receivers:
        wait_idle(receiver.pids, _PATIENCE_SECONDS)
    before = [_spent(receiver) for receiver in receivers]
    wait(PERIOD_SECONDS)
    after = [_spent(receiver) for receiver in receivers]
    return {
        receiver.name: (ended - began) / PERIOD_SECONDS
        for receiver, began, ended in zip(receivers, before, after, strict=True)
    }


def _spent(receiver: Receiver) -> float:
    return sum(receiver.usage().own.values())
