"""Vessels and airways of a lung phantom: trees of tapering tubes that grow from the hila."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voorrang.demo.phantoms.canvas import AIR_HU, Array, Canvas
from voorrang.dicom.headers import Vector

CARINA_MM: Vector = (0.0, 8.0, 118.0)
TRACHEA_TOP_MM: Vector = (0.0, 2.0, 215.0)
HILUM_MM: Vector = (38.0, 12.0, 98.0)  # of the left lung; the right one mirrors it

_BLOOD_HU, _WALL_HU = 45.0, 30.0
_FIRST_RADIUS_MM, _LAST_RADIUS_MM = 4.2, 0.5
_TAPER = 0.8
_LENGTH_PER_RADIUS = 5.5
_SHORTEST_MM, _LONGEST_MM = 9.0, 26.0
_FIRST_DIRECTIONS = ((0.5, -0.4, 0.9), (0.9, -0.6, 0.1), (0.8, 0.7, 0.2), (0.7, 0.3, -0.8), (0.5, -0.5, -0.9))

_Point = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Branch:
    start: _Point
    direction: _Point
    radius_mm: float


def paint_airways(canvas: Canvas) -> None:
    """Paint trachea, main bronchi and two lobar bronchi a side: air in a thin wall."""
    tubes = [((TRACHEA_TOP_MM, CARINA_MM), (8.5, 8.5))]
    for side in (-1.0, 1.0):
        x, y, z = side * HILUM_MM[0], HILUM_MM[1], HILUM_MM[2]
        tubes.append(((CARINA_MM, (x, y, z)), (6.5, 5.0)))
        tubes.append((((x, y, z), (x + side * 18, y - 8, z + 20)), (3.6, 2.2)))
        tubes.append((((x, y, z), (x + side * 16, y + 12, z - 32)), (3.8, 2.2)))
    for ends, radii in tubes:
        canvas.tube(ends, (radii[0] + 1.5, radii[1] + 1.2), _WALL_HU)
    for ends, radii in tubes:
        canvas.tube(ends, radii, AIR_HU)


def paint_vessels(canvas: Canvas, lungs: Array, rng: np.random.Generator) -> None:
    """
    Paint five branching trees in each lung.

    Parameters
    ----------
    canvas
        What to paint on.
    lungs
        Share 0..1 of lung in each voxel; trees stop at its edge.
    rng
        Of the branching.
    """
    for side in (-1.0, 1.0):
        hilum = np.array([side * HILUM_MM[0], HILUM_MM[1], HILUM_MM[2]])
        waiting = [_Branch(hilum, _unit(np.array([side * x, y, z])), _FIRST_RADIUS_MM) for x, y, z in _FIRST_DIRECTIONS]
        while waiting:
            waiting.extend(_grow(canvas, lungs, waiting.pop(), rng))


def _grow(canvas: Canvas, lungs: Array, branch: _Branch, rng: np.random.Generator) -> list[_Branch]:
    """Paint one branch and return its two children; none where it has become thin or left the lung."""
    wanted = branch.radius_mm * _LENGTH_PER_RADIUS * rng.uniform(0.8, 1.3)
    length = min(max(wanted, _SHORTEST_MM), _LONGEST_MM)
    end = branch.start + length * branch.direction
    radius = branch.radius_mm * _TAPER
    ends = (_vector(branch.start), _vector(end))
    canvas.tube(ends, (branch.radius_mm, radius), _BLOOD_HU, edge_mm=2.0, within=lungs)
    if radius < _LAST_RADIUS_MM or not _is_lung(canvas, lungs, end):
        return []
    spread = rng.uniform(20, 45, size=2)
    around = rng.uniform(0, 2 * math.pi)
    return [
        _Branch(end, _turned(branch.direction, spread[i], around + i * math.pi), radius * (1.0, 0.88)[i])
        for i in range(2)
    ]


def _is_lung(canvas: Canvas, lungs: Array, point: _Point) -> bool:
    index = canvas.grid.index_of(_vector(point))
    is_on_grid = all(0 <= i < n for i, n in zip(index, lungs.shape, strict=True))
    return is_on_grid and bool(lungs[index] > 0.5)


def _turned(direction: _Point, degrees: float, around: float) -> _Point:
    """Turn a unit vector away from itself, towards a side given by the angle `around` it."""
    helper = np.array([0.0, 0.0, 1.0]) if abs(direction[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    first = _unit(_cross(direction, helper))
    second = _cross(direction, first)
    aside = math.cos(around) * first + math.sin(around) * second
    angle = math.radians(degrees)
    return _unit(math.cos(angle) * direction + math.sin(angle) * aside)


def _cross(a: _Point, b: _Point) -> _Point:
    # numpy's own takes ten times as long for one pair, and there are thousands
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def _unit(vector: _Point) -> _Point:
    unit: _Point = vector / np.linalg.norm(vector)
    return unit


def _vector(point: _Point) -> Vector:
    return (float(point[0]), float(point[1]), float(point[2]))
