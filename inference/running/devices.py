"""Which device models run on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from inference.running.conditions import Device
from voorrang.errors import ConfigurationError

WantedDevice = Literal["auto", "cpu", "cuda"]


def sees_gpu() -> bool:
    """Tell whether torch has a GPU that works; it is imported for that."""
    import torch

    return torch.cuda.is_available()


def choose_device(wanted: WantedDevice, sees_gpu: Callable[[], bool] = sees_gpu) -> Device:
    """
    Choose the device.

    Parameters
    ----------
    wanted
        `auto` is a GPU where there is one.
    sees_gpu
        Asked only where the answer matters.

    Raises
    ------
    ConfigurationError
        When a GPU is wanted and there is none: a worker that computes on the CPU unasked would be late, silently.
    """
    if wanted == "cpu":
        return "cpu"
    if sees_gpu():
        return "cuda"
    if wanted == "cuda":
        raise ConfigurationError(
            "inference_device is cuda and torch finds no GPU: install the CUDA build of torch and a driver, "
            "or set VOORRANG_INFERENCE_DEVICE=auto"
        )
    return "cpu"
