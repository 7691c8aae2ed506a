"""Small bundles whose answers are known: a network that marks what is denser than a threshold."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from inference.volume import Volume
from voorrang.dicom.headers import Vector


class Denser(nn.Module):
    """1 where the middle channel is above 0 HU, 0 elsewhere; for slices and for volumes."""

    def __init__(self, middle: int) -> None:
        super().__init__()
        self.middle = middle

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the map of one channel."""
        return (x[:, self.middle : self.middle + 1] > 0).to(x.dtype)


class Share(nn.Module):
    """Two scores that add up to 1; the second is the share of a patch above 0 HU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return scores of shape (batch, 2)."""
        share = (x > 0).to(x.dtype).mean(dim=(1, 2, 3, 4))
        return torch.stack([1 - share, share], dim=1)


def save_script(network: nn.Module, path: Path) -> None:
    """Save a network as TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(network), str(path))


def make_values(**changed: Any) -> dict[str, Any]:
    """Make a `voorrang.json` for a network that takes volumes."""
    return {
        "model": "denser",
        "scope": {"region": "chest", "min_coverage_mm": 0},
        "input": {"spacing_mm": None, "hu_range": [-1000, 1000]},
        "labels": {"0": "dense_spot"},
        "operating_points": [{"score": 0.5}],
        "networks": {"marker": "models/marker.ts"},
        "reading": {"kind": "candidates", "segmenter": {"network": "marker"}},
        **changed,
    }


def make_metadata(**changed: Any) -> dict[str, Any]:
    """Make a `metadata.json`."""
    image = {"type": "image", "modality": "CT", "num_channels": 1, "value_range": [-1000, 1000]}
    return {
        "version": "1.0",
        "intended_use": "tests",
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": {"type": "image"}}},
        **changed,
    }


def make_inference(*transforms: dict[str, Any], **ids: Any) -> dict[str, Any]:
    """Make an `inference.json` that clips to ±1000 HU after the transforms that are given."""
    clip = {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": -1000, "a_max": 1000, "clip": True}
    scaled = {**clip, "b_min": -1000, "b_max": 1000}
    return {"preprocessing": {"_target_": "Compose", "transforms": [*transforms, scaled]}, **ids}


def make_bundle(
    folder: Path,
    *,
    contract: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    inference: dict[str, Any] | None = None,
    middle: int = 0,
) -> Path:
    """Write a bundle whose networks are `Denser` and, where the contract names it, `Share`."""
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    values = {
        "metadata": metadata or make_metadata(),
        "inference": inference or make_inference(),
        "voorrang": contract or make_values(),
    }
    for name, each in values.items():
        (folder / "configs" / f"{name}.json").write_text(json.dumps(each))
    save_script(Denser(middle), folder / "models" / "marker.ts")
    if "judge" in values["voorrang"]["networks"]:
        save_script(Share(), folder / "models" / "judge.ts")
    return folder


def make_volume(
    shape: tuple[int, int, int],
    spots: list[tuple[tuple[int, int, int], int]],
    *,
    slice_step_mm: Vector = (0.0, 0.0, 3.0),
    row_step_mm: Vector = (0.0, 0.8, 0.0),
    column_step_mm: Vector = (0.6, 0.0, 0.0),
) -> Volume:
    """Make air with cubes of 100 HU: the (slice, row, column) of the middle of each, and voxels to each side of it."""
    voxels = np.full(shape, -800.0, np.float32)
    for (k, i, j), reach in spots:
        voxels[k - reach : k + reach + 1, i - reach : i + reach + 1, j - reach : j + reach + 1] = 100.0
    return Volume(voxels, (-40.0, 17.0, -200.0), slice_step_mm, row_step_mm, column_step_mm)
