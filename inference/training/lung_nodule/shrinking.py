"""A chest shrunk as a whole: thick slices become thin ones, and large vessels small ones, with noise as of a scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from inference.reference.grids import Index, sample
from inference.reference.lungs import AIR_BELOW_HU, COARSE_MM, Lungs, lung_air
from inference.reference.reduction import reduced
from inference.training.lung_nodule.placing import Chest, Known
from inference.volume import Volume
from voorrang.dicom.headers import Vector

PIXEL_MM = 0.75  # pixels are averaged until they are nearly as large
NOISE_HU = (20.0, 60.0)


def shrunk(chest: Chest, scale: float, rng: np.random.Generator) -> Chest:
    """
    Return a chest at a part of its size; its lungs are those that were found before.

    Parameters
    ----------
    chest
        As it was read.
    scale
        Below 1.
    rng
        Of the noise that averaging took away.
    """
    volume = chest.volume
    small = replace(
        volume,
        slice_step_mm=_times(volume.slice_step_mm, scale),
        row_step_mm=_times(volume.row_step_mm, scale),
        column_step_mm=_times(volume.column_step_mm, scale),
    )
    known = tuple(Known(small.to_patient_mm(volume.to_index(k.position_mm)), k.reach_mm * scale) for k in chest.known)
    averaged = reduced(small, (small.spacing_mm[0], PIXEL_MM, PIXEL_MM))
    noise = rng.normal(0, rng.uniform(*NOISE_HU), averaged.voxels_hu.shape).astype(np.float32)
    noisy = replace(averaged, voxels_hu=averaged.voxels_hu + noise)
    return Chest(f"{chest.name} x {scale:g}", noisy, _lungs(chest.lungs, volume, noisy, scale), known)


def _lungs(lungs: Lungs, before: Volume, now: Volume, scale: float) -> Lungs:
    """Return the same lungs on a grid of 3 mm of the shrunk chest."""
    factors = [new / (old * scale) for new, old in zip(now.spacing_mm, before.spacing_mm, strict=True)]

    def moved(index: Index) -> Index:
        a, b, c = ((i - (round(f) - 1) / 2) / f for i, f in zip(index, factors, strict=True))
        return (a, b, c)

    s, r, k = (step / f for step, f in zip(lungs.grid.step, factors, strict=True))
    old = replace(lungs.grid, start=moved(lungs.grid.start), step=(s, r, k), spacing_mm=COARSE_MM * scale)
    top = [size - 1.0 for size in now.voxels_hu.shape]
    low = [max(0.0, i) for i in moved(lungs.low)]
    high = [min(i, last) for i, last in zip(moved(lungs.high), top, strict=True)]
    grid = sample(now.voxels_hu, now.spacing_mm, (0.0, 0.0, 0.0), (top[0], top[1], top[2]), COARSE_MM)
    found = Lungs(old, lungs.mask, (low[0], low[1], low[2]), (high[0], high[1], high[2]))
    return Lungs(grid, lung_air(found, grid, AIR_BELOW_HU), found.low, found.high)


def _times(step: Vector, factor: float) -> Vector:
    return (step[0] * factor, step[1] * factor, step[2] * factor)
