"""
Round dense things in the lungs, at several sizes.

At each size the tissue that is thicker than that size (chest wall, heart, diaphragm) is taken away by a
morphological opening, so that what sits on it stands free; then blobs are found in what remains.

References
----------
Lindeberg T. Feature detection with automatic scale selection. Int J Comput Vis 1998;30:79-116.
Li Q, Sone S, Doi K. Selective enhancement filters for nodules, vessels, and airway walls. Med Phys
2003;30:2040-51: ratios of Hessian eigenvalues tell dots from lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference.reference.balls import grown_by_ball
from inference.reference.grids import Grid
from inference.reference.lungs import Lungs, Mask, lung_air
from inference.volume import Voxels

RADII_MM = tuple(3.0 * 2 ** (i / 2) for i in range(8))  # 3 to 34 mm
FINEST_MM = 1.5
VOXELS_PER_RADIUS = 3.0
AIR_BELOW_HU = -450.0
EMPTY_HU, DENSE_HU = -700.0, -100.0
THICKER_BY_MM = 3.0
MIN_STRENGTH = 0.25
MIN_ROUNDNESS = 0.2
_PERFECT_BALL = 0.72  # -sigma^2 Laplacian at the centre of a ball of radius sqrt(3) sigma, as sampled here

Point = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Layer:
    """
    The lungs at one size.

    Parameters
    ----------
    radius_mm
        The size: radius of the blobs looked for.
    grid
        HU on a grid of about a third of the radius.
    air
        Air of the lungs on it.
    wall
        Tissue thicker than the size.
    density
        0 at -700 HU to 1 at -100 HU, and 0 in the wall.
    """

    radius_mm: float
    grid: Grid
    air: Mask
    wall: Mask
    density: Voxels


@dataclass(frozen=True, slots=True)
class Blob:
    """A local maximum: layer, voxel, strength (1: dense ball of this size), roundness (1: ball, 0: tube)."""

    layer: Layer
    point: Point
    strength: float
    roundness: float


def find_blobs(grid: Grid, lungs: Lungs) -> Iterator[Blob]:
    """
    Find blobs of all sizes.

    Parameters
    ----------
    grid
        HU around the lungs at `FINEST_MM`.
    lungs
        Where the lungs are.

    Yields
    ------
    Blob
        Smallest sizes first; a thing may be found at more than one size.
    """
    for spacing_mm, radii in _by_spacing():
        level = grid if spacing_mm == grid.spacing_mm else grid.coarser(spacing_mm)
        for layer in _layers(level, lungs, radii):
            yield from _blobs(layer)


def _by_spacing() -> list[tuple[float, list[float]]]:
    groups: dict[float, list[float]] = {}
    for radius in RADII_MM:
        groups.setdefault(max(FINEST_MM, radius / VOXELS_PER_RADIUS), []).append(radius)
    return list(groups.items())


def _layers(grid: Grid, lungs: Lungs, radii: list[float]) -> Iterator[Layer]:
    air = lung_air(lungs, grid, AIR_BELOW_HU)
    density = np.clip((grid.values - EMPTY_HU) / (DENSE_HU - EMPTY_HU), 0.0, 1.0)
    for radius in radii:
        thick = (radius + THICKER_BY_MM) / grid.spacing_mm
        margin = int(thick) + 2  # beyond the box tissue goes on: a wall at its edge is thick
        inner = tuple(slice(margin, -margin) for _ in range(3))
        wall = grown_by_ball(~grown_by_ball(np.pad(air, margin), thick), thick)[inner]
        yield Layer(radius, grid, air, wall, np.where(wall, np.float32(0), density))


def _blobs(layer: Layer) -> Iterator[Blob]:
    sigma = layer.radius_mm / np.sqrt(3.0) / layer.grid.spacing_mm
    smooth = ndimage.gaussian_filter(layer.density, sigma)
    strength = ndimage.laplace(smooth) * np.float32(-(sigma**2) / _PERFECT_BALL)
    is_top = (strength > MIN_STRENGTH) & (strength == ndimage.maximum_filter(strength, 3))
    for a, b, c in np.argwhere(is_top):
        point = (int(a), int(b), int(c))
        if all(0 < i < n - 1 for i, n in zip(point, smooth.shape, strict=True)):
            roundness = _roundness(smooth[a - 1 : a + 2, b - 1 : b + 2, c - 1 : c + 2])
            if roundness > MIN_ROUNDNESS:
                yield Blob(layer, point, float(strength[point]), roundness)


def _roundness(cube: Voxels) -> float:
    """Least over greatest curvature of a bright spot, from its 3 x 3 x 3 neighbourhood."""
    hessian: npt.NDArray[np.float64] = np.empty((3, 3))
    for i in range(3):
        for j in range(i + 1):
            if i == j:
                line = np.moveaxis(cube, i, 0)[:, 1, 1]
                hessian[i, i] = line[0] - 2.0 * line[1] + line[2]
            else:
                plane = np.moveaxis(cube, (i, j), (0, 1))[:, :, 1]
                mixed = (plane[2, 2] + plane[0, 0] - plane[2, 0] - plane[0, 2]) / 4.0
                hessian[i, j] = hessian[j, i] = mixed
    most, _, least = -np.linalg.eigvalsh(hessian)
    return float(least / most) if most > 0 else 0.0
