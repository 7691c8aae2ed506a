"""The weights as they travel in the package: half precision."""

from __future__ import annotations

from pathlib import Path

import torch

from inference.builtin.lite_network import FirstBlocks, LastBlocks
from inference.training.shipping import ship_weights

WEIGHTS = "models/ich.pt"


def ship(first: FirstBlocks, last: LastBlocks, bundle: Path, operating_point: float) -> str:
    """
    Write weights into a bundle, and their digest and operating point into its contract.

    Parameters
    ----------
    first, last
        The network.
    bundle
        Folder with `configs/voorrang.json`.
    operating_point
        0..1.

    Returns
    -------
    str
        SHA-256 of the weights.
    """
    return ship_weights({**_halved(first, "first."), **_halved(last, "last.")}, bundle, WEIGHTS, operating_point)


def _halved(network: torch.nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    values = network.state_dict().items()
    return {prefix + name: value.half() if value.is_floating_point() else value for name, value in values}
