"""
Places in the lungs that may be nodules: dense and faint blobs of many sizes, far more than there are nodules.

As in the reference CAD, tissue thicker than the size looked for is taken away first, so that what sits on the chest
wall stands free. Unlike there, a second and lower density range keeps ground glass, and next to nothing is refused: a
network judges what is found here.

References
----------
Lindeberg T. Feature detection with automatic scale selection. Int J Comput Vis 1998;30:79-116.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference.reference.balls import grown_by_ball
from inference.reference.blobs import Layer
from inference.reference.grids import Grid, Index
from inference.reference.lungs import Lungs, Mask, lung_air
from inference.reference.nodule_rules import Surroundings, surroundings
from inference.volume import Voxels

FINEST_MM = 1.5
RADII_MM = tuple(2.1 * 2 ** (i / 2) for i in range(9))  # 2.1 to 34 mm
MAX_CANDIDATES = 1500
MIN_STRENGTH = 0.3
MIN_ROUNDNESS = 0.1

_VOXELS_PER_RADIUS = 3.0
_AIR_BELOW_HU = -450.0
_THICKER_BY_MM = 3.0
_DENSE_HU, _FAINT_HU = (-700.0, -100.0), (-820.0, -450.0)
_FAINT_FROM_MM = 2.9  # below that a faint blob is noise
_PERFECT_BALL = 0.72
_SAME_PLACE, _SAME_PLACE_MM, _SAME_SIZE = 0.35, 1.6, 1.5
_LEVELS = 255
_REACH = 2.0  # radii around a candidate that its surroundings are measured in

NOTHING = Surroundings(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    A place that may be a nodule.

    Parameters
    ----------
    index
        (slice, row, column) in the volume, with fractions.
    radius_mm
        Of the blob that fits best.
    strength
        1: a ball of this size that fills its density range.
    roundness
        1: a ball, 0: a tube.
    is_faint
        Found in the density range of ground glass.
    around
        What lies around it, as the reference CAD measures it.
    """

    index: Index
    radius_mm: float
    strength: float
    roundness: float
    is_faint: bool = False
    around: Surroundings = NOTHING


@dataclass(frozen=True, slots=True)
class _Seen:
    """The lungs at one size and in one density range, density 0 to 255 to be kept until all candidates are chosen."""

    grid: Grid
    air: Mask
    wall: Mask
    density: npt.NDArray[np.uint8]


def find_candidates(grid: Grid, lungs: Lungs, spacing_mm: Index) -> list[Candidate]:
    """
    Find what may be a nodule.

    Parameters
    ----------
    grid
        HU around the lungs at `FINEST_MM`.
    lungs
        Where the lungs are.
    spacing_mm
        Of the volume that the grid was sampled from.

    Returns
    -------
    list of Candidate
        At most 1500, those of the highest strength x roundness; one nodule may be found at several sizes.
    """
    layers: dict[tuple[float, bool], _Seen] = {}
    found = distinct(_blobs_of_all_sizes(grid, lungs, layers), spacing_mm)
    kept = sorted(found, key=lambda c: (-c.strength * c.roundness, c.index))[:MAX_CANDIDATES]
    return [replace(c, around=_around(layers[c.radius_mm, c.is_faint], c)) for c in kept]


def distinct(candidates: Iterable[Candidate], spacing_mm: Index) -> list[Candidate]:
    """Return the strongest of candidates that lie together and are of about one size, the strongest first."""
    ordered = sorted(candidates, key=lambda c: (-c.strength, c.index))
    if not ordered:
        return []
    places = np.array([c.index for c in ordered]) * np.array(spacing_mm)
    radii = np.array([c.radius_mm for c in ordered])
    is_kept = np.ones(len(ordered), np.bool_)
    for k in range(len(ordered)):
        if is_kept[k]:
            near = np.linalg.norm(places - places[k], axis=1) < np.maximum(_SAME_PLACE * radii[k], _SAME_PLACE_MM)
            alike = (radii < _SAME_SIZE * radii[k]) & (radii[k] < _SAME_SIZE * radii)
            is_kept[k + 1 :] &= ~(near & alike)[k + 1 :]
    return [c for c, kept in zip(ordered, is_kept, strict=True) if kept]


def _blobs_of_all_sizes(finest: Grid, lungs: Lungs, layers: dict[tuple[float, bool], _Seen]) -> list[Candidate]:
    """Return the blobs of all sizes, and fill in the layers that they were found in."""
    grid, air = finest, lung_air(lungs, finest, _AIR_BELOW_HU)
    found: list[Candidate] = []
    for radius in RADII_MM:
        spacing = max(FINEST_MM, radius / _VOXELS_PER_RADIUS)
        if spacing != grid.spacing_mm:
            grid = finest.coarser(spacing)
            air = lung_air(lungs, grid, _AIR_BELOW_HU)
        wall = _wall(air, (radius + _THICKER_BY_MM) / spacing)
        for is_faint, (low, high) in enumerate((_DENSE_HU, _FAINT_HU) if radius >= _FAINT_FROM_MM else (_DENSE_HU,)):
            density = (np.clip((grid.values - low) / (high - low), 0, 1) * ~wall).astype(np.float32, copy=False)
            levels = np.rint(density * np.float32(_LEVELS)).astype(np.uint8)
            layers[radius, bool(is_faint)] = _Seen(grid, air, wall, levels)
            found += _blobs(grid, density, radius, bool(is_faint))
    return found


def _around(seen: _Seen, candidate: Candidate) -> Surroundings:
    """Measure what lies around a candidate, in the part of its layer that this needs."""
    reach = int(np.ceil(_REACH * candidate.radius_mm / seen.grid.spacing_mm)) + 2
    steps = zip(candidate.index, seen.grid.start, seen.grid.step, strict=True)
    point = [round((i - start) / step) for i, start, step in steps]
    low = [max(0, p - reach) for p in point]
    box = tuple(slice(first, p + reach + 1) for first, p in zip(low, point, strict=True))
    density = seen.density[box].astype(np.float32) / np.float32(_LEVELS)
    layer = Layer(candidate.radius_mm, seen.grid, seen.air[box], seen.wall[box], density)
    a, b, c = (p - first for p, first in zip(point, low, strict=True))
    return surroundings(layer, (a, b, c))


def _wall(air: Mask, thick: float) -> Mask:
    """Tissue that a ball of this radius, voxels, fits into."""
    margin = int(thick) + 2  # beyond the box tissue goes on: a wall at its edge is thick
    inner = tuple(slice(margin, -margin) for _ in range(3))
    return grown_by_ball(~grown_by_ball(np.pad(air, margin), thick), thick)[inner]


def _blobs(grid: Grid, density: Voxels, radius_mm: float, is_faint: bool) -> list[Candidate]:
    sigma = radius_mm / np.sqrt(3.0) / grid.spacing_mm
    smooth = ndimage.gaussian_filter(density, sigma, truncate=3)
    strength = ndimage.laplace(smooth) * np.float32(-(sigma**2) / _PERFECT_BALL)
    is_top = (strength > MIN_STRENGTH) & (strength == ndimage.maximum_filter(strength, 3))
    is_top[[0, -1]] = is_top[:, [0, -1]] = is_top[:, :, [0, -1]] = False
    points = np.argwhere(is_top)
    return [
        Candidate(
            grid.to_volume_index((int(a), int(b), int(c))), radius_mm, float(strength[a, b, c]), float(r), is_faint
        )
        for (a, b, c), r in zip(points, _roundness(smooth, points), strict=True)
        if r > MIN_ROUNDNESS
    ]


def _roundness(smooth: Voxels, points: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Least over greatest curvature at each point, 1: ball, 0: tube; from 3 x 3 x 3 neighbours."""
    if not len(points):
        return np.empty(0)
    unit = np.eye(3, dtype=np.int64)

    def at(step: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        return np.asarray(smooth[tuple((points + step).T)], dtype=np.float64)

    hessian = np.empty((len(points), 3, 3))
    for i in range(3):
        hessian[:, i, i] = at(unit[i]) - 2 * at(0 * unit[i]) + at(-unit[i])
        for j in range(i):
            along, across = unit[i] + unit[j], unit[i] - unit[j]
            hessian[:, i, j] = hessian[:, j, i] = (at(along) + at(-along) - at(across) - at(-across)) / 4
    curvature = -np.linalg.eigvalsh(hessian)
    most, least = curvature[:, 0], curvature[:, 2]
    return np.asarray(np.where(most > 0, least / np.maximum(most, 1e-12), 0.0), dtype=np.float64)
