"""What is drawn from which seed: training copies, cases to be judged on, and the sizes of the nodules in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from inference.reference.reduction import reduced
from inference.training.lung_nodule.chests import THICK, THIN, phantom_chest, read_chest
from inference.training.lung_nodule.placing import Chest, Planted, with_nodules
from inference.training.lung_nodule.shrinking import shrunk

SEED = 20261130
PHANTOM = "phantom"
TRAINING_PHANTOMS = range(3000, 3016)  # never those of a test, of the demo or of a case to be judged on
UNSEEN_PHANTOMS = range(400, 416)
UNSEEN_CASES = range(48)
NODULES_PER_CASE = 4
SIZES_MM = ((4.0, 8.0), (8.0, 15.0), (15.0, 30.0))
THICK_SIZES_MM = SIZES_MM[1:]  # in slices of 8 mm a smaller one is not seen by anyone

_TRAINING, _UNSEEN = 1, 6  # cases of 2, 3 and 4 were judged on before
_NODULES_PER_COPY = 14
_SHARE_MASSES = 0.12
_MASS_MM = (30.0, 60.0)
_PER_SHRUNK_COPY = 8
_SMALLEST_SHRUNK_MM, _LARGEST_SHRUNK_MM = 4.0, 14.0
_SMALLEST_MM = {3.0: 4.0, 6.0: 6.0, 8.0: 7.0, 9.0: 8.0, 4.0: 4.0}


@dataclass(frozen=True, slots=True)
class Variant:
    """
    A way to see a chest in training, and how many copies with nodules are made of it.

    Parameters
    ----------
    source
        `THIN`, `THICK` or `PHANTOM`.
    slice_mm
        Distance between slices.
    copies
        With nodules.
    scale
        The whole chest shrunk to it, before slices are that far apart.
    """

    source: str
    slice_mm: float
    copies: int
    scale: float = 1.0


# Slices of 3 mm are averaged to 6 and 9; those of 8 mm are also taken as if they lay 4 mm apart: a flat chest, but one
# with the grain and vessels of a patient. Vessels are alike at all sizes: a chest that is shrunk as a whole shows what
# lies beside small nodules in thin slices.
VARIANTS = (
    Variant(THIN, 3.0, 16),
    Variant(THIN, 6.0, 6),
    Variant(THIN, 9.0, 8),
    Variant(THIN, 1.5, 8, 1 / 2),
    Variant(THICK, 8.0, 14),
    Variant(THICK, 4.0, 12),
    Variant(THICK, 3.0, 14, 3 / 8),
    Variant(THICK, 3.6, 14, 9 / 20),
    Variant(THICK, 4.4, 14, 11 / 20),
)


def as_variant(chest: Chest, variant: Variant) -> Chest:
    """Return a chest with slices as far apart as the variant asks."""
    if variant.scale < 1:
        return shrunk(chest, variant.scale, np.random.default_rng([SEED, 5, round(1000 * variant.scale)]))
    volume = chest.volume
    now = volume.spacing_mm[0]
    if variant.slice_mm == now:
        return chest
    if variant.slice_mm > now:
        volume = reduced(volume, (variant.slice_mm, volume.spacing_mm[1], volume.spacing_mm[2]))
        return Chest.of(chest.name, volume, chest.known)
    flat = replace(volume, slice_step_mm=(0.0, 0.0, volume.slice_step_mm[2] * variant.slice_mm / now))
    known = tuple(replace(k, position_mm=flat.to_patient_mm(volume.to_index(k.position_mm))) for k in chest.known)
    return Chest.of(chest.name, flat, known)


def training_copy(chest: Chest, variant: Variant, number: int) -> Planted:
    """Return a copy of a chest with about 14 nodules and masses, by number; with 8 small nodules where it is shrunk."""
    rng = np.random.default_rng(
        [SEED, _TRAINING, _code(variant.source), round(10 * variant.slice_mm), round(1000 * variant.scale), number]
    )
    if variant.scale < 1:
        small, large = np.log(_SMALLEST_SHRUNK_MM), np.log(_LARGEST_SHRUNK_MM)
        return with_nodules(chest, list(np.exp(rng.uniform(small, large, _PER_SHRUNK_COPY))), rng)
    smallest = np.log(_SMALLEST_MM[variant.slice_mm])
    sizes = np.exp(rng.uniform(smallest, np.log(30), _NODULES_PER_COPY))
    masses = rng.uniform(*_MASS_MM, _NODULES_PER_COPY)
    return with_nodules(chest, list(np.where(rng.random(_NODULES_PER_COPY) < _SHARE_MASSES, masses, sizes)), rng)


def training_phantom(seed: int) -> Chest:
    """Return a phantom for training; most have more noise than those of the demo."""
    chest = phantom_chest(seed)
    rng = np.random.default_rng([SEED, _TRAINING, 0, seed])
    noise = rng.normal(0, rng.uniform(0, 70), chest.volume.voxels_hu.shape).astype(np.float32)
    return Chest.of(chest.name, replace(chest.volume, voxels_hu=chest.volume.voxels_hu + noise))


def unseen_case(chest: Chest, source: str, number: int) -> Planted:
    """
    Return a case to be judged on.

    Parameters
    ----------
    chest
        Without nodules.
    source
        `THIN`, `THICK` or `PHANTOM`.
    number
        Of the case; for a phantom its seed.

    Returns
    -------
    Planted
        Four nodules of sizes spread evenly over the ranges, in turn.
    """
    rng = np.random.default_rng([SEED, _UNSEEN, _code(source), number])
    ranges = THICK_SIZES_MM if source == THICK else SIZES_MM
    first = number * NODULES_PER_CASE
    picked = [ranges[(first + k) % len(ranges)] for k in range(NODULES_PER_CASE)]
    return with_nodules(chest, [float(rng.uniform(*each)) for each in picked], rng)


def chest_of(data: Path, source: str, number: int) -> Chest:
    """Return the chest of a case: a real scan, or the phantom of that seed."""
    return phantom_chest(number) if source == PHANTOM else read_chest(data, source)


def _code(source: str) -> int:
    return (PHANTOM, THIN, THICK).index(source)
