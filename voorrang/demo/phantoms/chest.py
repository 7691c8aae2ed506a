"""A chest without contrast: wall, bones, heart, lungs with vessels and airways; with or without nodules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from voorrang.demo.phantoms.bronchovascular import paint_airways, paint_vessels
from voorrang.demo.phantoms.canvas import (
    Array,
    Canvas,
    Grid,
    Lesion,
    Phantom,
    cover_of,
    ellipsoid_depth,
    texture,
)
from voorrang.dicom.headers import Vector

GRID = Grid.centred((90, 256, 256), (3.0, 1.4, 1.4), first_slice_mm=-60.0)
NOISE_HU = 14.0
LUNG_HU = -860.0

_FAT_HU, _MUSCLE_HU, _SOFT_HU, _HEART_HU, _LIVER_HU = -95.0, 50.0, 30.0, 40.0, 58.0
_GROUND_GLASS_BELOW_HU = -300.0


@dataclass(frozen=True, slots=True)
class Nodule:
    """
    A round nodule.

    Parameters
    ----------
    position_mm
        Centre in patient coordinates (LPS), inside a lung; the right lung has negative x.
    diameter_mm
        Its diameter.
    hu
        About 30 for a solid nodule, -600 to -400 for ground glass.
    is_attached
        Move it sideways until it sits on the chest wall; the truth holds the place that it got.
    """

    position_mm: Vector
    diameter_mm: float
    hu: float = 30.0
    is_attached: bool = False

    @property
    def kind(self) -> str:
        """Solid or ground-glass, by its HU."""
        return "ground_glass_nodule" if self.hu < _GROUND_GLASS_BELOW_HU else "solid_nodule"


@dataclass(frozen=True, slots=True)
class _Build:
    """What differs between people: drawn from the seed, whatever the nodules."""

    size: float
    fat_mm: float
    dome_mm: float
    rib_phase_mm: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> _Build:
        """Draw a chest of ordinary adult size."""
        size, dome = rng.normal(1.0, 0.02), rng.normal(28.0, 5.0)
        return cls(float(size), float(rng.uniform(8, 16)), float(dome), float(rng.uniform(0, 26)))


def make_chest(seed: int, nodules: Sequence[Nodule] = ()) -> Phantom:
    """
    Make a chest phantom; the same seed gives the same chest and noise whatever the nodules.

    Parameters
    ----------
    seed
        Of the build, the vessels, the texture and the noise.
    nodules
        What to put in; none for a normal chest.

    Returns
    -------
    Phantom
        90 slices of 256 x 256, 3 mm x 1.4 mm x 1.4 mm, covering 270 mm, upper abdomen to lower neck.

    Raises
    ------
    ValueError
        When a nodule's centre does not lie in a lung.
    """
    rng = np.random.default_rng(seed)
    build = _Build.draw(rng)
    canvas = Canvas(GRID)
    cage = _paint_wall(canvas, build)
    depth = _lung_depth(canvas, build, cage)
    lungs = cover_of(depth)
    canvas.blend(lungs, LUNG_HU + 12 * texture(rng, GRID, 25.0))
    _paint_heart(canvas, build)
    lungs *= (canvas.voxels < -500).astype(np.float32)  # the heart has taken its part
    paint_vessels(canvas, lungs, rng)
    paint_airways(canvas)
    truth = tuple(_paint_nodule(canvas, lungs, nodule) for nodule in nodules)
    return canvas.finish(rng, NOISE_HU, truth)


def _paint_wall(canvas: Canvas, build: _Build) -> Array:
    """Paint fat, muscle, ribs, spine and sternum; return the depth (mm) inside the rib cage."""
    x, y, z = canvas.coordinates()
    a, b = 165 * build.size, 116 * build.size
    body = (1 - np.hypot(x / a, y / b)) * 130
    canvas.blend(cover_of(body), _FAT_HU)
    canvas.blend(cover_of(body - build.fat_mm), _MUSCLE_HU)
    # the cage narrows towards the apex
    width = np.sqrt(np.clip(1 - (np.clip(z - 90, 0, None) / 135) ** 2, 0.05, 1))
    cage: Array = (width - np.hypot(x / (a - 32), (y - 3) / (b - 26))) * np.float32(105)
    canvas.blend(cover_of(cage), _SOFT_HU)
    # each rib falls towards the front (y is negative there)
    phase = np.mod(z - 0.55 * y + build.rib_phase_mm, np.float32(26)) - 13
    rib = np.minimum(np.minimum(cage + 9, 0.0 - cage), 4.5 - np.abs(phase))
    canvas.blend(cover_of(rib), 420.0)
    spine = np.minimum(17 - np.hypot(x, y - 74), z + 200)
    canvas.blend(cover_of(spine), 420.0)
    canvas.blend(cover_of(spine - 3), 190.0)
    canvas.blend(cover_of(9 - np.hypot(x, y - 95)), 20.0)  # the canal
    canvas.blend(cover_of(np.minimum(6 - np.abs(y + b - 22), 16 - np.abs(x))) * (z > 40), 250.0)  # sternum
    return cage


def _lung_depth(canvas: Canvas, build: _Build, cage: Array) -> Array:
    """Return the depth (mm) inside the lungs: in the cage, above the diaphragm, beside the mediastinum."""
    x, y, z = canvas.coordinates()
    half_width = 12 + 22 * np.exp(-(((y - 5) / 45) ** 2)) + 12 * np.exp(-(((y - 78) / 22) ** 2))
    half_width = half_width * np.clip(1.15 - np.clip(z - 110, 0, None) / 220, 0.6, 1)
    dome = build.dome_mm + 10 * (x < 0) - ((np.abs(x) - 72) / 6.5) ** 2 - ((y + 8) / 11.0) ** 2
    apex = 195 - z - 0.01 * ((np.abs(x) - 55) ** 2 + (y - 8) ** 2)
    depth: Array = np.minimum(cage - 2, np.abs(x) - half_width)
    np.minimum(depth, z - np.maximum(dome, -50), out=depth)
    np.minimum(depth, apex, out=depth)
    return depth


def _paint_heart(canvas: Canvas, build: _Build) -> None:
    canvas.ellipsoid((-72, -5, build.dome_mm - 58), (68, 78, 62), _LIVER_HU, 3.0)
    canvas.ellipsoid((24, -32, 58), (48, 40, 46), _HEART_HU, 2.0)
    canvas.tube(((16, 48, -60), (16, 46, 130)), (12, 12), _HEART_HU)  # descending aorta
    canvas.tube(((16, 46, 130), (-12, -22, 136)), (13, 14), _HEART_HU)
    canvas.tube(((-12, -22, 136), (-6, -28, 80)), (14, 15), _HEART_HU)


def _paint_nodule(canvas: Canvas, lungs: Array, nodule: Nodule) -> Lesion:
    index = GRID.index_of(nodule.position_mm)
    if not all(0 <= i < n for i, n in zip(index, GRID.shape, strict=True)) or lungs[index] < 0.5:
        raise ValueError(f"{nodule.position_mm} mm lies outside the lungs")
    placed = replace(nodule, position_mm=_at_wall(lungs, nodule)) if nodule.is_attached else nodule
    radius = placed.diameter_mm / 2
    box = GRID.box_around(placed.position_mm, radius + 3)
    depth = ellipsoid_depth(GRID.axes_mm(box), placed.position_mm, (radius, radius, radius))
    denser = np.maximum(canvas.voxels[box], placed.hu)  # a vessel or the wall stays what it is
    canvas.blend(cover_of(depth), denser, box)
    return Lesion(placed.kind, placed.position_mm, placed.diameter_mm, placed.hu)


def _at_wall(lungs: Array, nodule: Nodule) -> Vector:
    """Return the place on the same line across where the nodule sinks a third of its radius into the wall."""
    x, y, z = nodule.position_mm
    s, r, c = GRID.index_of(nodule.position_mm)
    step = 1 if x > 0 else -1
    while lungs[s, r, c + step] > 0.5:
        c += step
    wall_x = GRID.origin_mm[0] + c * GRID.spacing_mm[2]
    return (round(wall_x - step * nodule.diameter_mm / 3, 2), y, z)
