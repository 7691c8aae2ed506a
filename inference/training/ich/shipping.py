"""The weights as they travel in the package: half precision, their digest in the contract."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from inference.builtin.lite_network import FirstBlocks, LastBlocks
from inference.bundles.contract import CONTRACT
from inference.bundles.digests import sha256_of

WEIGHTS = "models/ich.pt"
MOST_BYTES = 10_000_000


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

    Raises
    ------
    ValueError
        When the file would be 10 MB or more.
    """
    path = bundle / WEIGHTS
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({**_halved(first, "first."), **_halved(last, "last.")}, path)
    if path.stat().st_size >= MOST_BYTES:
        raise ValueError(f"{path.name} has {path.stat().st_size} bytes, expected fewer than {MOST_BYTES}")
    contract = json.loads((bundle / CONTRACT).read_text(encoding="utf-8"))
    digest = sha256_of(path)
    contract["sha256"] = {WEIGHTS: digest}
    contract["operating_points"][0]["score"] = round(operating_point, 3)
    (bundle / CONTRACT).write_text(json.dumps(contract, indent=2) + "\n", encoding="utf-8")
    return digest


def _halved(network: torch.nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    values = network.state_dict().items()
    return {prefix + name: value.half() if value.is_floating_point() else value for name, value in values}
