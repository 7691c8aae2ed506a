"""Weights as they travel in the package: a file of the bundle, its digest in the contract."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from inference.bundles.contract import CONTRACT
from inference.bundles.digests import sha256_of

MOST_BYTES = 10_000_000


def ship_weights(weights: dict[str, torch.Tensor], bundle: Path, file: str, operating_point: float) -> str:
    """
    Write weights into a bundle, and their digest and operating point into its contract.

    Parameters
    ----------
    weights
        By name.
    bundle
        Folder with `configs/voorrang.json`.
    file
        Where in the bundle, under `models/`.
    operating_point
        0..1.

    Returns
    -------
    str
        SHA-256 of the file.

    Raises
    ------
    ValueError
        When the file would be 10 MB or more.
    """
    path = bundle / file
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(weights, path)
    if path.stat().st_size >= MOST_BYTES:
        raise ValueError(f"{path.name} has {path.stat().st_size} bytes, expected fewer than {MOST_BYTES}")
    contract = json.loads((bundle / CONTRACT).read_text(encoding="utf-8"))
    digest = sha256_of(path)
    contract["sha256"] = {file: digest}
    contract["operating_points"][0]["score"] = round(operating_point, 3)
    (bundle / CONTRACT).write_text(json.dumps(contract, indent=2) + "\n", encoding="utf-8")
    return digest
