"""A chest to test on: body, two lungs, heart, diaphragm, trees of vessels, noise, nodules where asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from inference.volume import Volume
from voorrang.dicom.headers import Vector

Array = npt.NDArray[np.float32]
Axes = tuple[Array, Array, Array]

_LUNGS: tuple[Vector, Vector] = ((-72.0, 0.0, 0.0), (72.0, 0.0, 0.0))
_LUNG_RADII: Vector = (58.0, 88.0, 120.0)


def make_chest(
    *,
    nodules: Sequence[tuple[Vector, float]] = (),
    spacing_mm: Vector = (2.0, 1.5, 1.5),
    seed: int = 0,
    noise_hu: float = 25.0,
    nodule_hu: float = 30.0,
) -> Volume:
    """
    Make a chest of 240 mm from apex to base, LPS origin at its middle.

    Parameters
    ----------
    nodules
        Centre (LPS, mm) and diameter (mm) of each.
    spacing_mm
        Along (slice, row, column).
    seed
        Of the vessels and the noise.
    noise_hu
        Standard deviation.
    nodule_hu
        Inside a nodule.
    """
    rng = np.random.default_rng(seed)
    extent = (250.0, 230.0, 340.0)
    shape = tuple(round(e / s) for e, s in zip(extent, spacing_mm, strict=True))
    z, y, x = (((np.arange(n) - (n - 1) / 2) * s).astype(np.float32) for n, s in zip(shape, spacing_mm, strict=True))
    axes = (x[None, None, :], y[None, :, None], z[:, None, None])
    soft = spacing_mm[1]
    hu = np.full(shape, -1000.0, np.float32)
    hu += 1040.0 * _ellipsoid(axes, (0, 0, 0), (160, 108, 400), soft)
    lungs = np.maximum(*(_ellipsoid(axes, centre, _LUNG_RADII, soft) for centre in _LUNGS))
    heart = _ellipsoid(axes, (20, -25, -50), (52, 48, 55), soft)
    dome = np.maximum(
        _ellipsoid(axes, (-70, 0, -130), (75, 95, 60), soft),
        _ellipsoid(axes, (70, 0, -140), (75, 95, 60), soft),
    )
    lungs = lungs * (1 - heart) * (1 - dome)
    hu += lungs * (-860.0 - hu)
    for start, end, radius in _vessels(rng):
        _draw(hu, axes, lungs, start, end, radius, soft)
    for centre, diameter in nodules:
        ball = _ellipsoid(axes, centre, (diameter / 2,) * 3, soft)
        np.maximum(hu, hu + ball * (nodule_hu - hu), out=hu)
    hu += rng.normal(0.0, noise_hu, shape).astype(np.float32)
    return Volume(
        hu,
        (float(x[0]), float(y[0]), float(z[0])),
        (0.0, 0.0, spacing_mm[0]),
        (0.0, spacing_mm[1], 0.0),
        (spacing_mm[2], 0.0, 0.0),
    )


def _ellipsoid(axes: Axes, centre: Vector, radii: Sequence[float], soft_mm: float) -> Array:
    """Occupancy 0..1 of each voxel, with an edge one voxel wide."""
    r = np.sqrt(sum(((a - c) / s) ** 2 for a, c, s in zip(axes, centre, radii, strict=True)))
    return np.clip((1 - r) * min(radii) / soft_mm + 0.5, 0, 1).astype(np.float32)


def _vessels(rng: np.random.Generator) -> list[tuple[Array, Array, float]]:
    """Segments (start, end, radius in mm) of one tree for each lung, from the hilum outwards."""
    segments: list[tuple[Array, Array, float]] = []
    for side in (-1.0, 1.0):
        for _ in range(6):
            direction = np.array([side * 1.2, 0, 0]) + rng.normal(0, 0.8, 3)
            _grow(rng, segments, np.array([side * 12.0, 10.0, 5.0]) + rng.normal(0, 12, 3), direction, 5.0)
    return segments


def _grow(
    rng: np.random.Generator,
    segments: list[tuple[Array, Array, float]],
    start: npt.NDArray[np.float64],
    direction: npt.NDArray[np.float64],
    radius: float,
) -> None:
    direction = direction / np.linalg.norm(direction)
    end = start + direction * rng.uniform(5, 9) * np.sqrt(radius)
    segments.append((start.astype(np.float32), end.astype(np.float32), radius))
    if radius > 0.9:
        for _ in range(2):
            _grow(rng, segments, end, direction + rng.normal(0, 0.45, 3), radius * rng.uniform(0.65, 0.85))


def _draw(hu: Array, axes: Axes, lungs: Array, start: Array, end: Array, radius: float, soft_mm: float) -> None:
    box = []
    for axis, a, b in zip((2, 1, 0), start, end, strict=True):
        values = axes[2 - axis].ravel()
        low, high = min(a, b) - radius - 2, max(a, b) + radius + 2
        box.append(slice(int(np.searchsorted(values, low)), int(np.searchsorted(values, high))))
    sx, sy, sz = box
    part = (sz, sy, sx)
    x, y, z = axes[0][:, :, sx], axes[1][:, sy], axes[2][sz]
    line = end - start
    t = np.clip(((x - start[0]) * line[0] + (y - start[1]) * line[1] + (z - start[2]) * line[2]) / (line @ line), 0, 1)
    distance = np.sqrt(
        (x - start[0] - t * line[0]) ** 2 + (y - start[1] - t * line[1]) ** 2 + (z - start[2] - t * line[2]) ** 2
    )
    inside = np.clip((radius - distance) / soft_mm + 0.5, 0, 1) * (lungs[part] > 0.5)
    np.maximum(hu[part], hu[part] + inside * (40 - hu[part]), out=hu[part])
