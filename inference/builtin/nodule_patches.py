"""What the network sees of a candidate: two cubes around it, a near one of 30 mm and a far one of 80 mm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.builtin.nodule_candidates import FINEST_MM, Candidate
from inference.reference.grids import Grid, Index, sample
from inference.reference.lungs import Lungs
from inference.volume import Volume

SIDE = 20
COARSE_MM = 4.0
N_FACTS = 3

_AIR_HU, _RANGE_HU = -1000.0, 1400.0
_LEVELS = 255

Bytes = npt.NDArray[np.uint8]
Facts = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scales:
    """A chest CT at 1.5 mm around the lungs, and at 4 mm as a whole."""

    fine: Grid
    coarse: Grid


def at_two_scales(volume: Volume, lungs: Lungs) -> Scales:
    """Sample a volume for candidates and patches."""
    fine = sample(volume.voxels_hu, volume.spacing_mm, lungs.low, lungs.high, FINEST_MM)
    n, r, c = (float(size - 1) for size in volume.voxels_hu.shape)
    return Scales(fine, sample(volume.voxels_hu, volume.spacing_mm, (0.0, 0.0, 0.0), (n, r, c), COARSE_MM))


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
        self._padded = tuple(np.pad(_as_bytes(g.values), side, mode="edge") for g in (scales.fine, scales.coarse))
        self._grids = (scales.fine, scales.coarse)

    def around(self, index: Index) -> Bytes:
        """Return shape (2, side, side, side): near and far, around an index of the volume, to the nearest voxel."""
        cubes = []
        for padded, grid in zip(self._padded, self._grids, strict=True):
            at = (np.array(index) - np.array(grid.start)) / np.array(grid.step)
            low = np.clip(np.rint(at).astype(int) + self._side // 2, 0, np.array(padded.shape) - self._side)
            a, b, c = (slice(int(i), int(i) + self._side) for i in low)
            cubes.append(padded[a, b, c])
        return np.stack(cubes)

    def of(self, candidates: Sequence[Candidate]) -> Bytes:
        """Return shape (n, 2, side, side, side)."""
        empty = np.empty((0, 2, self._side, self._side, self._side), np.uint8)
        return np.stack([self.around(c.index) for c in candidates]) if candidates else empty


def facts_of(candidates: Sequence[Candidate]) -> Facts:
    """Return shape (n, 3): binary logarithm of the radius over 6 mm, strength and roundness."""
    rows = [(np.log2(c.radius_mm / 6), c.strength, c.roundness) for c in candidates]
    return np.array(rows, dtype=np.float32).reshape(-1, N_FACTS)


def _as_bytes(hu: npt.NDArray[np.float32]) -> Bytes:
    return np.asarray(np.rint(np.clip((hu - _AIR_HU) / _RANGE_HU, 0, 1) * _LEVELS), dtype=np.uint8)
