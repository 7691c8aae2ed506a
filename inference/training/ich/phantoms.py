"""
Slices of procedural phantoms, so that a picture unlike any patient's is not flagged for that alone.

The phantoms are those of the demo, with other seeds: a network that saw only patients knows nothing of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from inference.builtin.axial import in_slabs
from inference.builtin.head_slices import find_frames, upright
from inference.builtin.lite_network import N_CLASSES
from inference.training.ich.augmenting import augmented
from inference.training.ich.caching import first_blocks
from inference.training.ich.labelled import SEED
from inference.training.ich.making import Drawn, Made, kept
from inference.volume import Volume
from voorrang.demo.phantoms.canvas import Phantom
from voorrang.demo.phantoms.head import Bleed, make_head

SEEDS = range(1000, 1032)  # never those of a test or of the demo
UNSEEN_SEEDS = range(10)
BLEED = Bleed((30.0, 5.0, 18.0), 30.0, 68.0)  # as the demo has it
SLICES_WITHOUT = 5  # of each phantom

_ANY, _IN_BRAIN = 0, 2
_BRAIN_SLICES = (8, 28)
_NEAR_CENTRE, _FAR = 0.4, 0.6  # of the diameter: slices nearer to the middle of a bleed show it, beyond do not
_UNCHANGED_SHARE = 0.3


def phantom_maps(folder: Path) -> Made:
    """
    Compute the maps of slices of phantoms, each with and without a bleed, once.

    Parameters
    ----------
    folder
        Of the file that keeps them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return kept(folder / "phantoms.npz", first_blocks(), _drawn())


def unseen_phantom(seed: int, bleed: Bleed | None) -> Volume:
    """Return the phantom of a seed, with a bleed or without."""
    return volume_of(make_head(seed, bleed))


def volume_of(phantom: Phantom) -> Volume:
    """Return a phantom as the volume that its series makes."""
    z, y, x = phantom.grid.spacing_mm
    voxels = phantom.voxels_hu.astype(np.float32)
    return Volume(voxels, phantom.grid.origin_mm, (0.0, 0.0, z), (0.0, y, 0.0), (x, 0.0, 0.0))


def _drawn() -> Iterator[Drawn]:
    for seed in SEEDS:
        rng = np.random.default_rng([SEED, seed])
        for bleed in (None, _bleed(rng, is_like_the_demo=seed % 3 == 0)):
            yield from _slices(make_head(seed, bleed), bleed, rng)


def _bleed(rng: np.random.Generator, *, is_like_the_demo: bool) -> Bleed:
    """Return a bleed anywhere in the brain, or one about as large and dense as the demo's, near it or its mirror."""
    side = float(rng.choice((-1, 1)))
    if is_like_the_demo:
        x, y, z = (value + float(rng.uniform(-7, 7)) for value in BLEED.position_mm)
        return Bleed((side * x, y, z), BLEED.diameter_mm + float(rng.uniform(-6, 6)), float(rng.uniform(63, 72)))
    place = (side * float(rng.uniform(12, 45)), float(rng.uniform(-40, 45)), float(rng.uniform(-5, 45)))
    return Bleed(place, float(rng.uniform(14, 40)), float(rng.uniform(58, 74)))


def _slices(phantom: Phantom, bleed: Bleed | None, rng: np.random.Generator) -> Iterator[Drawn]:
    """Yield all slices that show the bleed, and some that do not; those at its edge are neither."""
    volume = volume_of(phantom)
    frames = find_frames(in_slabs(volume).window_hu)
    slices = np.arange(*_BRAIN_SLICES)
    far = np.full(len(slices), np.inf)
    if bleed is not None:
        heights = np.array([volume.to_patient_mm((int(k), 0, 0))[2] for k in slices])
        far = np.abs(heights - bleed.position_mm[2]) / bleed.diameter_mm
    without = rng.choice(slices[far > _FAR], SLICES_WITHOUT, replace=False)
    for k in (*slices[far < _NEAR_CENTRE], *without):
        labels = np.zeros(N_CLASSES, np.bool_)
        labels[[_ANY, _IN_BRAIN]] = k not in without
        pair = upright(frames, int(k)) if rng.random() < _UNCHANGED_SHARE else augmented(frames, int(k), rng)
        yield (*pair, labels)
