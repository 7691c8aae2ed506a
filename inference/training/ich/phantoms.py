"""
Slices of procedural phantoms, so that a picture unlike any patient's is not flagged for that alone.

The phantoms are those of the demo, with other seeds: a network that saw only patients knows nothing of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from inference.builtin.axial import in_slabs
from inference.builtin.head_slices import find_frames
from inference.builtin.lite_network import N_CLASSES
from inference.training.ich.augmenting import augmented
from inference.training.ich.caching import first_blocks
from inference.training.ich.labelled import SEED
from inference.training.ich.making import Drawn, Made, kept
from inference.volume import Volume
from voorrang.demo.phantoms.canvas import Phantom
from voorrang.demo.phantoms.head import Bleed, make_head

SEEDS = range(1000, 1024)  # never those of a test or of the demo
UNSEEN_SEEDS = range(10)
BLEED = Bleed((30.0, 5.0, 18.0), 30.0, 68.0)  # as the demo has it
SLICES_PER_PHANTOM = 6

_ANY, _IN_BRAIN = 0, 2
_BRAIN_SLICES = (8, 28)
_NEAR_CENTRE = 0.35  # of the diameter: slices this near to the middle of a bleed show it well


def phantom_maps(folder: Path) -> Made:
    """
    Compute the maps of slices of phantoms, every other one with a bleed, once.

    Parameters
    ----------
    folder
        Of the file that keeps them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return kept(folder / "phantoms.npz", first_blocks(), _drawn())


def unseen_phantom(seed: int, *, has_bleed: bool) -> Volume:
    """Return the phantom of a seed, without a bleed or with that of the demo."""
    return volume_of(make_head(seed, BLEED if has_bleed else None))


def volume_of(phantom: Phantom) -> Volume:
    """Return a phantom as the volume that its series makes."""
    z, y, x = phantom.grid.spacing_mm
    voxels = phantom.voxels_hu.astype(np.float32)
    return Volume(voxels, phantom.grid.origin_mm, (0.0, 0.0, z), (0.0, y, 0.0), (x, 0.0, 0.0))


def _drawn() -> Iterator[Drawn]:
    for seed in SEEDS:
        rng = np.random.default_rng([SEED, seed])
        bleed = None
        if seed % 2:
            place = (float(rng.choice((-1, 1)) * rng.uniform(12, 45)), float(rng.uniform(-40, 45)))
            bleed = Bleed((*place, float(rng.uniform(5, 40))), float(rng.uniform(14, 40)), float(rng.uniform(58, 74)))
        phantom = make_head(seed, bleed)
        volume = volume_of(phantom)
        frames = find_frames(in_slabs(volume).window_hu)
        for k in rng.choice(np.arange(*_BRAIN_SLICES), SLICES_PER_PHANTOM, replace=False):
            far_mm = abs(volume.to_patient_mm((k, 0, 0))[2] - bleed.position_mm[2]) if bleed else np.inf
            is_shown = bleed is not None and far_mm < _NEAR_CENTRE * bleed.diameter_mm
            if bleed is not None and not is_shown and far_mm < bleed.diameter_mm:
                continue
            labels = np.zeros(N_CLASSES, np.bool_)
            labels[[_ANY, _IN_BRAIN]] = is_shown
            yield (*augmented(frames, int(k), rng), labels)
