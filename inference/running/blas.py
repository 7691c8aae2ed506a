"""How many threads numpy may multiply with."""

from __future__ import annotations

from threadpoolctl import threadpool_limits


def use_one_blas_thread() -> None:
    """
    Let numpy's BLAS, and scipy's, work in the thread that asks, for the whole process; called once they are loaded.

    What is multiplied here is small. Where something else has the other core, OpenBLAS waits spinning for its second
    thread: a chest took `reference-lung` 14 to 27 s instead of 6, beside one busy process on two cores (2026-11-30,
    `voorrang model run`).
    """
    threadpool_limits(limits=1, user_api="blas")
