"""What the network sees of a candidate: three cubes around it, a close, a near and a far one, and some facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.builtin.nodule_candidates import FINEST_MM, Candidate
from inference.reference.grids import Grid, Index, sample
from inference.reference.lungs import Lungs
from inference.reference.nodule_rules import score
from inference.volume import Volume, Voxels

SIDE = 20
CLOSE_MM = 0.8
COARSE_MM = 4.0
N_CUBES = 3
N_FACTS = 9

_AIR_HU, _RANGE_HU = -1000.0, 1400.0
_LEVELS = 255
_SMALLEST_MM = 1.0

Bytes = npt.NDArray[np.uint8]
Facts = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scales:
    """A chest CT as it is, at 1.5 mm around the lungs, and at 4 mm as a whole."""

    volume: Volume
    fine: Grid
    coarse: Grid


def at_all_scales(volume: Volume, lungs: Lungs) -> Scales:
    """Sample a volume for candidates and patches."""
    fine = sample(volume.voxels_hu, volume.spacing_mm, lungs.low, lungs.high, FINEST_MM)
    n, r, c = (float(size - 1) for size in volume.voxels_hu.shape)
    return Scales(volume, fine, sample(volume.voxels_hu, volume.spacing_mm, (0.0, 0.0, 0.0), (n, r, c), COARSE_MM))


class Patches:
    """
    Cuts cubes of one chest.

    Parameters
    ----------
    scales
        Of the chest.
    side
        Voxels of an edge; even. Training cuts larger ones to shift.
    """

    def __init__(self, scales: Scales, side: int = SIDE) -> None:
        self._side = side
        self._volume = scales.volume
        self._padded = tuple(np.pad(_as_bytes(g.values), side, mode="edge") for g in (scales.fine, scales.coarse))
        self._grids = (scales.fine, scales.coarse)

    def around(self, index: Index) -> Bytes:
        """
        Return the cubes around an index of the volume.

        Returns
        -------
        Bytes
            Shape (3, side, side, side): close (0.8 mm, interpolated), near (1.5 mm) and far (4 mm), both to the nearest
            voxel.
        """
        cubes = [_as_bytes(_sampled(self._volume, index, self._side))]
        for padded, grid in zip(self._padded, self._grids, strict=True):
            at = (np.array(index) - np.array(grid.start)) / np.array(grid.step)
            low = np.clip(np.rint(at).astype(int) + self._side // 2, 0, np.array(padded.shape) - self._side)
            a, b, c = (slice(int(i), int(i) + self._side) for i in low)
            cubes.append(padded[a, b, c])
        return np.stack(cubes)

    def of(self, candidates: Sequence[Candidate]) -> Bytes:
        """Return shape (n, 3, side, side, side)."""
        out = np.empty((len(candidates), N_CUBES, self._side, self._side, self._side), np.uint8)
        for k, candidate in enumerate(candidates):
            out[k] = self.around(candidate.index)
        return out


def facts_of(candidates: Sequence[Candidate], slice_spacing_mm: float) -> Facts:
    """
    Return what is known of candidates besides their cubes.

    Parameters
    ----------
    candidates
        Of one volume.
    slice_spacing_mm
        Of that volume; the score of the rules depends on it.

    Returns
    -------
    ndarray of shape (n, 9)
        Binary logarithm of the radius over 6 mm, strength, roundness, 1 for a faint one; shares of air and wall around
        it, compactness and binary logarithm of the diameter over 10 mm, as the reference CAD measures them, and the
        score that its rules give.
    """
    rows = [
        (
            np.log2(c.radius_mm / 6),
            c.strength,
            c.roundness,
            float(c.is_faint),
            c.around.air,
            c.around.wall,
            c.around.compactness,
            np.log2(max(c.around.diameter_mm, _SMALLEST_MM) / 10),
            score(c.strength, c.roundness, c.around, slice_spacing_mm),
        )
        for c in candidates
    ]
    return np.array(rows, dtype=np.float32).reshape(-1, N_FACTS)


def _sampled(volume: Volume, index: Index, side: int) -> Voxels:
    """Return HU on a grid of 0.8 mm whose middle lies half a voxel before the index; beyond the edge, the edge."""
    steps = [CLOSE_MM / s for s in volume.spacing_mm]
    low = [i - side / 2 * step for i, step in zip(index, steps, strict=True)]
    parts, starts = [], []
    for first, step, size in zip(low, steps, volume.voxels_hu.shape, strict=True):
        width = max(1.0, step)
        start = min(size - 1, max(0, int(np.floor(first - width)) - 1))
        end = max(start + 1, min(size, int(np.ceil(first + side * step + width)) + 2))
        parts.append(slice(start, end))
        starts.append(start)
    a, b, c = (first - start for first, start in zip(low, starts, strict=True))
    d, e, f = (v + (side - 0.5) * step for v, step in zip((a, b, c), steps, strict=True))
    block = volume.voxels_hu[parts[0], parts[1], parts[2]]
    return sample(block, volume.spacing_mm, (a, b, c), (d, e, f), CLOSE_MM).values


def _as_bytes(hu: Voxels) -> Bytes:
    return np.asarray(np.rint(np.clip((hu - _AIR_HU) / _RANGE_HU, 0, 1) * _LEVELS), dtype=np.uint8)
