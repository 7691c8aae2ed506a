"""The weights as they travel in the package: half precision."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from inference.builtin.lite_network import FirstBlocks, LastBlocks
from inference.bundles.contract import CONTRACT
from inference.training.shipping import ship_weights

WEIGHTS = "models/ich.pt"


def ship(first: FirstBlocks, last: LastBlocks, bundle: Path, operating_point: float, top: int) -> str:
    """
    Write weights into a bundle; their digest, the operating point and the top into its contract.

    Parameters
    ----------
    first, last
        The network.
    bundle
        Folder with `configs/voorrang.json`.
    operating_point
        0..1.
    top
        How many of the highest logits make the score of a series.

    Returns
    -------
    str
        SHA-256 of the weights.
    """
    contract = json.loads((bundle / CONTRACT).read_text(encoding="utf-8"))
    contract["reading"]["top"] = top
    (bundle / CONTRACT).write_text(json.dumps(contract, indent=2) + "\n", encoding="utf-8")
    return ship_weights({**_halved(first, "first."), **_halved(last, "last.")}, bundle, WEIGHTS, operating_point)


def _halved(network: torch.nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    values = network.state_dict().items()
    return {prefix + name: value.half() if value.is_floating_point() else value for name, value in values}
