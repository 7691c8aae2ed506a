"""A head without contrast: skull, brain, ventricles, sinuses, calcifications; with or without a bleed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

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

GRID = Grid.centred((31, 256, 256), (5.0, 0.9, 0.9), first_slice_mm=-68.0)
NOISE_HU = 4.5

_FAT_HU, _MUSCLE_HU, _CSF_HU, _GREY_HU, _WHITE_HU = -90.0, 52.0, 8.0, 38.0, 29.0
_CORTEX_HU, _DIPLOE_HU = 1150.0, 750.0
_SINUS_HU = 57.0


@dataclass(frozen=True, slots=True)
class Bleed:
    """
    An intraparenchymal bleed: an ellipsoid with soft edges.

    Parameters
    ----------
    position_mm
        Centre in patient coordinates (LPS); the brain lies about the origin, some 60 mm wide to each side.
    diameter_mm
        Diameter of the sphere of the same volume.
    hu
        Clotted blood, 60 to 75 HU.
    """

    position_mm: Vector = (30.0, 5.0, 18.0)
    diameter_mm: float = 28.0
    hu: float = 68.0


@dataclass(frozen=True, slots=True)
class _Build:
    """What differs between people: drawn from the seed, whether or not there is a bleed."""

    skull_mm: Vector
    ventricle_scale: float
    ventricle_skew: float
    dominant_side: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> _Build:
        """Draw a head of ordinary adult size."""
        width, length, height = rng.normal((71.0, 90.0, 80.0), (1.5, 2.0, 1.5))
        return cls(
            skull_mm=(float(width), float(length), float(height)),
            ventricle_scale=float(rng.uniform(0.8, 1.25)),
            ventricle_skew=float(rng.uniform(0.9, 1.1)),
            dominant_side=int(rng.choice((-1, 1))),
        )


def make_head(
    seed: int,
    bleed: Bleed | None = None,
    *,
    yaw_degrees: float | None = None,
    roll_degrees: float | None = None,
    has_one_sided_sinus: bool = False,
) -> Phantom:
    """
    Make a head phantom; the same seed gives the same head and noise with and without a bleed.

    Parameters
    ----------
    seed
        Of the build, the texture and the noise.
    bleed
        What to put in; None leaves the head normal.
    yaw_degrees, roll_degrees
        How the head lies, turned about the long axis and tilted to a shoulder; None draws a few degrees.
    has_one_sided_sinus
        Give one transverse sinus twice the width and a higher density, as an asymmetric normal variant.

    Returns
    -------
    Phantom
        31 slices of 256 x 256, 5 mm x 0.9 mm x 0.9 mm, covering 155 mm.

    Notes
    -----
    Attenuation after Prokop and Galanski, Spiral and Multislice CT of the Body (2003): white matter 25 to 34,
    grey 35 to 45, CSF 0 to 15, clotted blood 60 to 80 HU; cortical bone above 1000 HU.
    """
    rng = np.random.default_rng(seed)
    build = _Build.draw(rng)
    drawn_yaw, drawn_roll = rng.normal(0, 3.0), rng.normal(0, 1.5)
    yaw = float(drawn_yaw) if yaw_degrees is None else yaw_degrees
    roll = float(drawn_roll) if roll_degrees is None else roll_degrees
    canvas = Canvas(GRID, _rotation(yaw, roll))

    cavity = _paint_shell(canvas, build)
    inside = cover_of(cavity)
    _paint_brain(canvas, cavity, inside, rng)
    _paint_ventricles(canvas, build)
    _paint_folds(canvas, inside)
    _paint_sinuses(canvas, build, inside, has_one_sided_sinus)
    _paint_calcifications(canvas, rng)
    truth = () if bleed is None else (_paint_bleed(canvas, bleed, inside),)
    return canvas.finish(rng, NOISE_HU, truth)


def _rotation(yaw_degrees: float, roll_degrees: float) -> npt.NDArray[np.float64]:
    yaw, roll = math.radians(yaw_degrees), math.radians(roll_degrees)
    about_z = np.array([[math.cos(yaw), math.sin(yaw), 0], [-math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]])
    about_y = np.array([[math.cos(roll), 0, -math.sin(roll)], [0, 1, 0], [math.sin(roll), 0, math.cos(roll)]])
    turn: npt.NDArray[np.float64] = about_y @ about_z
    return turn


def _paint_shell(canvas: Canvas, build: _Build) -> Array:
    """Paint scalp, face and skull; return the depth (mm) of each voxel inside the cranial cavity."""
    at = canvas.coordinates()
    x, y, z = at
    a, b, c = build.skull_mm
    origin = (0.0, 0.0, 0.0)
    # the base rises from the posterior fossa to the anterior one, with the petrous ridges between
    ridge = 10 * np.exp(-(((y - 10) / 8) ** 2)) * cover_of(np.abs(x) - 20, 16.0)
    base = -50 + 32 * cover_of(-y - 12, 50.0) + ridge
    foramen = np.hypot(x, y - 32) - 15
    cavity: Array = np.minimum(ellipsoid_depth(at, origin, (a - 6.5, b - 7, c - 6.5)), z - base)
    skull = np.minimum(ellipsoid_depth(at, origin, build.skull_mm), z - base + 6)
    open_foramen = np.minimum(skull, foramen) * (z < base + 2) + skull * (z >= base + 2)
    neck = np.minimum(1.0 - np.hypot(x / (a - 6), (y + 4) / (b - 6)), 1.0) * 60
    head = np.maximum(ellipsoid_depth(at, origin, (a + 5, b + 5, c + 5)), np.minimum(neck, -z))
    canvas.blend(cover_of(head, 2.0), _FAT_HU)
    canvas.blend(cover_of(head - 2.5, 2.0), _MUSCLE_HU)
    _paint_face(canvas)
    canvas.blend(cover_of(np.minimum(-foramen, base - z)), _CSF_HU + 4)
    canvas.blend(cover_of(np.minimum(-foramen - 5, base - z)), _WHITE_HU)  # the cord
    canvas.blend(cover_of(open_foramen), _CORTEX_HU)
    canvas.blend(cover_of(np.minimum(open_foramen - 2, 4.5 - open_foramen)), _DIPLOE_HU)
    return cavity


def _paint_face(canvas: Canvas) -> None:
    for side in (-1.0, 1.0):
        canvas.ellipsoid((side * 30, -60, -62), (16, 13, 12), -1000.0)  # maxillary sinus
        canvas.ellipsoid((side * 30, -60, -37), (15, 16, 10), _FAT_HU)  # orbit
        canvas.ellipsoid((side * 52, 24, -45), (9, 12, 10), -700.0)  # mastoid cells
    canvas.ellipsoid((0, -62, -52), (8, 22, 22), -1000.0)  # nasal cavity


def _paint_brain(canvas: Canvas, cavity: Array, inside: Array, rng: np.random.Generator) -> None:
    _, y, z = canvas.coordinates()
    folds = texture(rng, canvas.grid, 9.0)
    depth = cavity + 2.0 * folds
    tissue = _WHITE_HU + (_GREY_HU - _WHITE_HU) * cover_of(7 - depth, 3.0)
    cerebellum = cover_of(np.minimum(-18 - z, y - 8), 4.0)
    tissue += cerebellum * (_GREY_HU - 2 - tissue)
    tissue += (_CSF_HU + 4 - tissue) * cover_of(2.0 - depth, 1.5)
    tissue += 1.5 * texture(rng, canvas.grid, 14.0)
    canvas.blend(inside, tissue)
    for side in (-1.0, 1.0):
        canvas.ellipsoid((side * 11, 12, 8), (8, 14, 9), _GREY_HU, 3.0)  # thalamus
        canvas.ellipsoid((side * 25, -6, 8), (7, 18, 12), _GREY_HU, 3.0)  # lentiform nucleus


def _paint_ventricles(canvas: Canvas, build: _Build) -> None:
    for side in (-1.0, 1.0):
        size = build.ventricle_scale * (build.ventricle_skew if side > 0 else 1 / build.ventricle_skew)
        horn, body, atrium = (side * 9, -24, 16), (side * 12, 8, 26), (side * 23, 36, 16)
        canvas.tube((horn, body), (5 * size, 4.5 * size), _CSF_HU, 2.0)
        canvas.tube((body, atrium), (4.5 * size, 6 * size), _CSF_HU, 2.0)
    canvas.ellipsoid((0, 6, 6), (2.2 * build.ventricle_scale, 13, 9), _CSF_HU, 2.0)
    canvas.ellipsoid((0, 32, -30), (6, 5, 9), _CSF_HU, 2.0)


def _paint_folds(canvas: Canvas, inside: Array) -> None:
    """Paint the falx and the tentorium: thin sheets, denser than brain."""
    x, y, z = canvas.coordinates()
    away = np.maximum(np.abs(y - 4) - 38, z - 38)
    falx = np.minimum(0.8 - np.abs(x), np.minimum(away, z + 12))
    canvas.blend(cover_of(falx) * inside, 58.0)
    tent = np.minimum(0.9 - np.abs(z + 14 + 0.25 * np.abs(x)) / 2, np.minimum(y - 22, np.abs(x) - 12))
    canvas.blend(cover_of(tent) * inside, 50.0)


def _paint_sinuses(canvas: Canvas, build: _Build, inside: Array, has_one_sided: bool) -> None:
    """Paint the superior sagittal and the transverse sinuses along the inner table."""
    _, b, c = build.skull_mm
    inner = [(0.0, (b - 9) * math.cos(t), (c - 9) * math.sin(t)) for t in np.linspace(1.9, -0.1, 9)]
    for start, end in pairwise(inner):
        canvas.tube((start, end), (3.0, 3.5), _SINUS_HU, within=inside)
    for side in (-1, 1):
        is_wide = side == build.dominant_side
        radius = (5.0 if has_one_sided else 4.0) if is_wide else 2.5
        hu = 64.0 if has_one_sided and is_wide else _SINUS_HU
        path = [_along_inner_table(build, side, t) for t in np.linspace(0.0, 1.0, 6)]
        for start, end in pairwise(path):
            canvas.tube((start, end), (radius, radius), hu, within=inside)


def _along_inner_table(build: _Build, side: int, share: float) -> Vector:
    a, b, c = build.skull_mm
    angle, z = math.radians(90 - 60 * share), -10.0 - 10 * share
    shrink = math.sqrt(1 - (z / (c - 7)) ** 2)
    return (side * (a - 10) * shrink * math.cos(angle), (b - 10) * shrink * math.sin(angle), z)


def _paint_calcifications(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the pineal gland and the choroid plexus, one side often denser than the other."""
    canvas.ellipsoid((0, 30, 8), (2.5, 3.0, 3.0), float(rng.uniform(140, 260)))
    for side in (-1, 1):
        x, hu = side * 22.0, float(rng.uniform(120, 380))
        canvas.ellipsoid((x, 38.0, 15.0), (2.5, 3.5, 3.5), hu)


def _paint_bleed(canvas: Canvas, bleed: Bleed, inside: Array) -> Lesion:
    # painted in patient coordinates, so that the truth does not turn with the head
    box = canvas.grid.box_around(bleed.position_mm, bleed.diameter_mm)
    radius = bleed.diameter_mm / 2
    stretch = (1.0, 1.2, 1 / 1.2)
    axes = (radius * stretch[0], radius * stretch[1], radius * stretch[2])
    at = canvas.grid.axes_mm(box)
    if inside[canvas.grid.index_of(bleed.position_mm)] < 1:
        raise ValueError(f"{bleed.position_mm} mm lies outside the brain")
    depth = ellipsoid_depth(at, bleed.position_mm, axes)
    canvas.blend(cover_of(depth + 3, 5.0) * inside[box], 26.0, box)  # a rim of oedema
    canvas.blend(cover_of(depth, 3.0) * inside[box], bleed.hu, box)
    return Lesion("intraparenchymal_bleed", bleed.position_mm, bleed.diameter_mm, bleed.hu)
