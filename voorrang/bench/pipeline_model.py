"""
The model of the pipeline bench, which costs nothing, and its pathway: a bundle, added and activated as any other.

It looks at a cube in the middle of a series and returns it as the score of its voxels, so that every series is flagged.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from voorrang.bench.slices import header_bytes

MODEL, PATHWAY = "costs-nothing", "bench"
QUIET_SECONDS = 2.0
SLICES, ROWS = 20, 512
VOXEL = 1400  # as stored; with the header's intercept of -1024 it is 376 HU
_HU_RANGE = [-1000, 400]
_CUBE = 8
_SCOPE = {"modality": "CT", "region": "chest", "whole_organ": False}


def make_slices() -> list[bytes]:
    """Return the Part 10 files of a series of one value."""
    pixels = VOXEL.to_bytes(2, "little") * (ROWS * ROWS)
    return [header_bytes(number, ROWS) + pixels for number in range(SLICES)]


def write_bundle(folder: Path) -> Path:
    """Write the bundle; return its folder."""
    import torch

    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    for name, values in _configurations().items():
        (folder / "configs" / f"{name}.json").write_text(json.dumps(values))
    torch.save({}, folder / "models" / "network.pt")
    return folder


def write_pathway(folder: Path) -> Path:
    """Write a folder of pathways that holds the model's own alone; return it."""
    folder.mkdir(parents=True)
    values = {
        "pathway": PATHWAY,
        "wants": _SCOPE,
        "complete": {
            "quiet_seconds": QUIET_SECONDS,
            "cap_seconds": 120,
            "geometry": "whole",
            "negative_provisional_until": {"quiet_seconds": 60, "count_confirmed": True},
        },
        "lane": "urgent",
        "models": [{"name": MODEL, "operating_point": 0.5}],
        "delay": {
            "harm_per_minute": 1.0,
            "read_within_minutes": 15,
            "result_within_minutes": 3,
            "lift_to": "urgent",
            "owner": "bench",
            "source": "bench",
            "decided_on": "2026-11-25",
        },
        "reading": {"minutes": 8},
    }
    (folder / f"{PATHWAY}.yaml").write_text(json.dumps(values))  # JSON is YAML
    return folder


def _configurations() -> dict[str, dict[str, Any]]:
    image = {"type": "image", "modality": "CT", "num_channels": 1, "value_range": [0, 1]}
    low, high = _HU_RANGE
    return {
        "metadata": {
            "version": "1.0",
            "intended_use": "to measure what the platform around a model costs",
            "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": {"type": "image"}}},
        },
        "inference": {
            "preprocessing": {
                "_target_": "Compose",
                "transforms": [
                    {"_target_": "CenterSpatialCropd", "keys": "image", "roi_size": [_CUBE] * 3},
                    {
                        "_target_": "ScaleIntensityRanged",
                        "keys": "image",
                        "a_min": low,
                        "a_max": high,
                        "b_min": 0,
                        "b_max": 1,
                        "clip": True,
                    },
                ],
            },
            "network": {"_target_": "torch.nn.Identity"},
        },
        "voorrang": {
            "model": MODEL,
            "scope": _SCOPE,
            "input": {"spacing_mm": None, "hu_range": _HU_RANGE},
            "labels": {"0": "bench_cube"},
            "operating_points": [{"score": 0.5}],
            "networks": {"network": "models/network.pt"},
            "reading": {"kind": "candidates", "segmenter": {"network": "network"}},
        },
    }
