"""Chooses, at the start of a child, the conditions under which its models compute."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from inference.model import Model
from inference.running.conditions import Adaptable, Conditions, Device
from inference.running.devices import WantedDevice, choose_device, sees_gpu
from inference.running.precision import fastest_precision


def choose_conditions(
    wanted: WantedDevice,
    models: Iterable[Model],
    data_dir: Path,
    sees_gpu: Callable[[], bool] = sees_gpu,
    fastest: Callable[[Device, Path], Conditions] = fastest_precision,
) -> Conditions:
    """
    Choose device, precision and memory layout; none is looked for where no model could use it.

    Parameters
    ----------
    wanted
        The device as the settings say.
    models
        What is to compute.
    data_dir
        Where what was probed is remembered.
    sees_gpu, fastest
        How the machine is asked.

    Raises
    ------
    ConfigurationError
        When a GPU is wanted and there is none.
    """
    adapts = any(isinstance(model, Adaptable) for model in models)
    if not adapts and wanted != "cuda":
        return Conditions()
    device = choose_device(wanted, sees_gpu)
    return fastest(device, data_dir) if adapts else Conditions(device)
