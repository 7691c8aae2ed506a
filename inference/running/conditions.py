"""Under which conditions a model computes: the device, the precision, and how much of its window at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

Device = Literal["cpu", "cuda"]
Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True, slots=True)
class Conditions:
    """
    Where and how a model computes.

    Parameters
    ----------
    device
        `cuda` is the first GPU that the process sees: with several, `CUDA_VISIBLE_DEVICES` gives each worker its own.
    precision
        Of weights and activations; results are float32 whatever it is.
    window_share
        Voxels of the window that is computed at a time over those of the model's own window, above 0 up to 1.
    channels_last
        Whether weights lie with their channels last, where all are of volumes or all of slices.
    """

    device: Device = "cpu"
    precision: Precision = "float32"
    window_share: float = 1.0
    channels_last: bool = True


@runtime_checkable
class Adaptable(Protocol):
    """
    A model that can be told under which conditions to compute; one without this is read as it is.

    `run_under` is called before each `read`, with the same conditions most of the time: when nothing changes it must
    cost nothing. It moves the weights; it may run out of memory as `read` may.
    """

    def run_under(self, conditions: Conditions) -> None:
        """Compute under these conditions from now on."""
        ...
