"""From a blob to a marked nodule: what surrounds it, how compact it is, and a score to follow by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference.reference.blobs import Blob, Layer, Point
from inference.reference.grids import Index

WALL_CREDIT = 0.6
COMMON_WALL = 0.4
HALF_SIZE_MM = 4.0
THICK_SLICES = 1.2
SAME_THING = 0.6

_NEAR, _FAR = 1.25, 2.0  # radii within which a compact thing ends, and to which a vessel runs on
_PART_OF_THING = 0.4


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    What lies around a blob.

    Parameters
    ----------
    air, wall
        Shares, 0..1, of a thin shell around it that are air of the lungs, and chest wall, heart or diaphragm.
    compactness
        Share, 0..1, of the thing within two radii that lies within 1.25 radii.
    diameter_mm
        Of the ball with the volume of the thing.
    """

    air: float
    wall: float
    compactness: float
    diameter_mm: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A marked nodule: where (index in the volume), how large, and its score, 0..1."""

    index: Index
    diameter_mm: float
    score: float


def mark(blob: Blob, slice_spacing_mm: float) -> Mark:
    """Measure and score a blob; `slice_spacing_mm` of the volume limits what can be told of small ones."""
    around = surroundings(blob.layer, blob.point)
    return Mark(
        index=blob.layer.grid.to_volume_index(blob.point),
        diameter_mm=around.diameter_mm,
        score=score(blob.strength, blob.roundness, around, slice_spacing_mm),
    )


def score(strength: float, roundness: float, around: Surroundings, slice_spacing_mm: float) -> float:
    """
    Score a blob: a product of shares, each 0..1, so each can only take away.

    strength x roundness x surrounded x compactness^2 x size, where surrounded = air + 0.6 of the wall (less
    where wall is over 0.4 of the shell: then the blob is a part of the wall) and size = d / (d + 4 mm), with
    1.2 slice spacings for 4 mm when slices are thick.

    Parameters
    ----------
    strength, roundness
        As of a `Blob`; above 1 counts as 1.
    around
        As measured.
    slice_spacing_mm
        Distance between slices.
    """
    wall = max(0.0, min(around.wall, 2 * COMMON_WALL - around.wall))
    surrounded = min(1.0, around.air + WALL_CREDIT * wall)
    half = max(HALF_SIZE_MM, THICK_SLICES * slice_spacing_mm)
    size = around.diameter_mm / (around.diameter_mm + half)
    return min(1.0, strength) * min(1.0, roundness) * surrounded * around.compactness**2 * size


def surroundings(layer: Layer, point: Point) -> Surroundings:
    """Measure what lies around a voxel of a layer."""
    radius, spacing = layer.radius_mm, layer.grid.spacing_mm
    window, distance = _window(layer, point, _FAR * radius + spacing)
    shell = (distance > 1.3 * radius + 0.5) & (distance < 1.3 * radius + spacing + 1.5)
    density = layer.density[window]
    labels, _ = ndimage.label(density > _PART_OF_THING)
    centre = tuple(p - w.start for p, w in zip(point, window, strict=True))
    if not labels[centre]:
        return Surroundings(0.0, 0.0, 0.0, 0.0)
    is_thing = labels == labels[centre]
    dense = density * is_thing
    near = float(dense[distance <= _NEAR * radius].sum())
    far = float(dense[distance <= _FAR * radius].sum())
    with_rim = density * ndimage.binary_dilation(is_thing) * (distance <= _NEAR * radius + spacing)
    volume = float(with_rim.sum()) * spacing**3
    return Surroundings(
        air=float(layer.air[window][shell].mean()),
        wall=float(layer.wall[window][shell].mean()),
        compactness=near / far if far > 0 else 0.0,
        diameter_mm=(6.0 * volume / np.pi) ** (1 / 3),
    )


def strongest(marks: Iterable[Mark], spacing_mm: Index, at_most: int, from_score: float) -> list[Mark]:
    """
    Keep the highest marks, one for each thing.

    Parameters
    ----------
    marks
        Of all sizes.
    spacing_mm
        Of the volume, to turn indices into distances.
    at_most
        How many to keep.
    from_score
        Leave out lower ones.

    Returns
    -------
    list of Mark
        Highest first; none nearer to a higher one than 0.6 of the larger diameter.
    """
    kept: list[Mark] = []
    for candidate in sorted(marks, key=lambda m: (-m.score, m.index)):
        if candidate.score < from_score or len(kept) == at_most:
            break
        if all(not _is_same(candidate, other, spacing_mm) for other in kept):
            kept.append(candidate)
    return kept


def _is_same(a: Mark, b: Mark, spacing_mm: Index) -> bool:
    apart = np.linalg.norm((np.array(a.index) - np.array(b.index)) * np.array(spacing_mm))
    return bool(apart <= SAME_THING * max(a.diameter_mm, b.diameter_mm))


def _window(layer: Layer, point: Point, reach_mm: float) -> tuple[tuple[slice, slice, slice], npt.NDArray[np.float64]]:
    """Box around a voxel and the distance, mm, of its voxels from that one."""
    n = int(np.ceil(reach_mm / layer.grid.spacing_mm))
    a, b, c = (slice(max(0, p - n), p + n + 1) for p in point)
    shape = layer.density.shape
    axes = [
        (np.arange(size)[part] - p) * layer.grid.spacing_mm
        for size, part, p in zip(shape, (a, b, c), point, strict=True)
    ]
    distance = np.sqrt(axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None, :] ** 2)
    return (a, b, c), distance
