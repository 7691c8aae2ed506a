"""
Counts what the models of the demo get right on synthetic phantoms, and writes its calibrations.

`python -m voorrang.demo.calibrating` does both. What is counted holds for phantoms, at the demo's own site, and says
nothing about patients.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from inference.models import load_model
from inference.volume import Volume
from voorrang.demo.pathways import demo_pathways
from voorrang.demo.phantoms.canvas import Phantom
from voorrang.demo.phantoms.chest import Nodule, make_chest
from voorrang.demo.phantoms.head import Bleed, make_head
from voorrang.pathways.loading import load_pathways
from voorrang.pathways.pathway import ModelUse

FOLDER = Path(__file__).parent / "calibrations"


def _head(seed: int, draw: random.Random) -> Phantom:
    place = (draw.choice((-1, 1)) * draw.uniform(15, 35), draw.uniform(-25, 25), draw.uniform(5, 30))
    bleed = Bleed(place, draw.uniform(12, 50), draw.uniform(60, 72))
    return make_head(seed, bleed if seed % 2 else None)


def _chest(seed: int, draw: random.Random) -> Phantom:
    place = (draw.choice((-1, 1)) * draw.uniform(70, 80), draw.uniform(-12, 30), draw.uniform(60, 140))
    nodule = Nodule(place, draw.uniform(6, 30))
    return make_chest(seed, [nodule] if seed % 2 else [])


@dataclass(frozen=True, slots=True)
class _Cases:
    """Phantoms by seed, every second with what the pathway looks for; `what` says so for people."""

    pathway: str
    count: int
    make: Callable[[int, random.Random], Phantom]
    what: str


_HEADS = _Cases("stroke", 40, _head, "heads, every second with a bleed of 12 to 50 mm at 60 to 72 HU")
_CHESTS = _Cases("lung-nodule", 20, _chest, "chests, every second with a solid nodule of 6 to 30 mm")
CASES_OF = {
    "ich": _HEADS,
    "reference-head": _HEADS,
    "lung-nodule": _CHESTS,
    "reference-lung": _CHESTS,
}


def count(name: str) -> dict[str, Any]:
    """Return the calibration of a model, as its file has it."""
    of, model = CASES_OF[name], load_model(name)
    use = use_of(name, of.pathway)
    phantoms = (of.make(seed, random.Random(seed)) for seed in range(1, of.count + 1))
    read = [(model.read(_volume(phantom)).score >= use.operating_point, bool(phantom.truth)) for phantom in phantoms]
    return {
        "schema_version": 1,
        "pathway": of.pathway,
        "model_id": name,
        "weights_digest": model.weights_digest,
        "operating_point": use.operating_point,
        "site": "demo",
        "flagged": sum(flagged for flagged, _ in read),
        "true_positives": sum(flagged and is_positive for flagged, is_positive in read),
        "positives": sum(is_positive for _, is_positive in read),
        "made_by": "python -m voorrang.demo.calibrating",
        "made_on": str(datetime.now(UTC).date()),
        "source": f"{of.count} synthetic {of.what}, seeds 1 to {of.count}; phantoms, no patients",
    }


def use_of(name: str, pathway: str) -> ModelUse:
    """Return how a pathway of the package, or of the demo, uses a model."""
    found = (each[pathway].model_use(name) for each in (load_pathways(None), demo_pathways()))
    return next(use for use in found if use is not None)


def _volume(phantom: Phantom) -> Volume:
    slice_mm, row_mm, column_mm = phantom.grid.spacing_mm
    voxels_hu = phantom.voxels_hu.astype(np.float32)
    return Volume(voxels_hu, phantom.grid.origin_mm, (0.0, 0.0, slice_mm), (0.0, row_mm, 0.0), (column_mm, 0.0, 0.0))


def main() -> int:
    """Count, and write a file for each model."""
    FOLDER.mkdir(exist_ok=True)
    for name in CASES_OF:
        counted = count(name)
        (FOLDER / f"{name}.json").write_text(json.dumps(counted, indent=2) + "\n")
        sys.stdout.write(f"{name}: {counted['true_positives']} of {counted['flagged']} flags right\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
