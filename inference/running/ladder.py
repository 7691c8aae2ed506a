"""
The memory ladder: when memory runs out, a smaller window, then the CPU, then *failed*. Pure.

Each series begins at the top again: what filled the GPU may have been the neighbour of that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from inference.model import Model, Opinion
from inference.running.conditions import Adaptable, Conditions, Precision
from inference.running.memory import is_out_of_memory, release_memory
from inference.volume import Volume

WINDOW_SHARES = (1.0, 0.5, 0.25)


class OutOfMemoryError(Exception):
    """Memory ran out on every rung."""


def rungs(device_and_precision: Conditions, precision_on_cpu: Precision = "float32") -> tuple[Conditions, ...]:
    """
    Return the conditions to try, the best first.

    Parameters
    ----------
    device_and_precision
        What was chosen at start.
    precision_on_cpu
        For the rungs on the CPU below those on a GPU.
    """
    best = device_and_precision
    steps = [replace(best, window_share=share) for share in WINDOW_SHARES]
    if best.device == "cuda":
        steps += [Conditions("cpu", precision_on_cpu, share) for share in WINDOW_SHARES]
    return tuple(steps)


def read_with_less(
    model: Model, volume: Volume, ladder: Sequence[Conditions], release: Callable[[], None] = release_memory
) -> tuple[Opinion, Conditions]:
    """
    Let a model read a volume on the first rung whose memory suffices.

    Parameters
    ----------
    model
        One that is not `Adaptable` has one rung, the CPU: there is nothing that it could do with less.
    volume
        What it reads.
    ladder
        The rungs, the best first; at least one.
    release
        Called after each rung that failed.

    Returns
    -------
    tuple of Opinion and Conditions
        What it said, and on which rung.

    Raises
    ------
    OutOfMemoryError
        When no rung sufficed. Any other error of the model is raised on.
    """
    steps = ladder if isinstance(model, Adaptable) else (Conditions(),)
    for conditions in steps:
        opinion = _try(model, volume, conditions)
        if opinion is not None:
            return opinion, conditions
        # Out here the error is gone, and with it its frames, which held what was allocated on the way to it.
        release()
    raise OutOfMemoryError


def _try(model: Model, volume: Volume, conditions: Conditions) -> Opinion | None:
    try:
        if isinstance(model, Adaptable):
            model.run_under(conditions)
        return model.read(volume)
    except Exception as error:  # out of memory: the caller tries with less; all else is raised on to it
        if is_out_of_memory(error):
            return None
        raise
