"""Nodules put into a chest CT: a rough ball of tissue, ground glass or both, seen through slices of their thickness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference.volume import Volume, Voxels
from voorrang.dicom.headers import Vector

Kind = Literal["solid", "part_solid", "ground_glass"]
Box = tuple[slice, slice, slice]

SOLID_HU = (0.0, 80.0)
GROUND_GLASS_HU = (-650.0, -380.0)
CORE_SHARE = (0.35, 0.65)  # of the diameter

_LUNG_HU = -850.0
_EDGE_MM = 1.0
_SUBSLICE_MM = 1.0
_TISSUE_FROM_HU = -200.0
_NOISE_SIDE_MM = 12.0


@dataclass(frozen=True, slots=True)
class Nodule:
    """
    A nodule that was put in.

    Parameters
    ----------
    position_mm
        Its centre, patient coordinates (LPS).
    diameter_mm
        Of the ball before its surface is made rough.
    kind
        Solid, part-solid or ground-glass.
    is_attached
        It touches the chest wall, the diaphragm, the mediastinum or a vessel.
    """

    position_mm: Vector
    diameter_mm: float
    kind: Kind
    is_attached: bool = False


def plant(volume: Volume, nodule: Nodule, tissue_place: tuple[int, int, int], rng: np.random.Generator) -> None:
    """
    Put a nodule into a volume, in place.

    Parameters
    ----------
    volume
        HU; its voxels are changed.
    nodule
        What and where.
    tissue_place
        (slice, row, column) within soft tissue, whose noise the nodule takes.
    rng
        Of its shape and density.
    """
    reach = nodule.diameter_mm * 0.9 + 3
    box, offsets = _box_around(volume, nodule.position_mm, reach)
    cover = _cover(offsets, volume.spacing_mm, nodule.diameter_mm / 2, rng)
    part = volume.voxels_hu[box]
    if nodule.kind != "solid":
        _add_ground_glass(part, cover, float(rng.uniform(*GROUND_GLASS_HU)))
    if nodule.kind == "part_solid":
        radius = nodule.diameter_mm / 2 * float(rng.uniform(*CORE_SHARE))
        cover = _cover(offsets, volume.spacing_mm, radius, rng)
    if nodule.kind != "ground_glass":
        hu = float(rng.uniform(*SOLID_HU)) + _noise(volume, tissue_place, part.shape)
        _add_tissue(part, cover, hu.astype(np.float32))


def _box_around(volume: Volume, position_mm: Vector, reach_mm: float) -> tuple[Box, list[npt.NDArray[np.float32]]]:
    """Return the box, and the distance (mm) along each axis of its voxels from the centre."""
    slices, offsets = [], []
    for at, step, size in zip(volume.to_index(position_mm), volume.spacing_mm, volume.voxels_hu.shape, strict=True):
        low, high = max(0, int(np.floor(at - reach_mm / step))), min(size, int(np.ceil(at + reach_mm / step)) + 1)
        slices.append(slice(low, high))
        offsets.append(((np.arange(low, high) - at) * step).astype(np.float32))
    return (slices[0], slices[1], slices[2]), offsets


def _cover(
    offsets: list[npt.NDArray[np.float32]], spacing_mm: Vector, radius_mm: float, rng: np.random.Generator
) -> Voxels:
    """Share 0..1 of each voxel that the nodule fills: thin slices averaged to those of the volume."""
    thin = max(1, round(spacing_mm[0] / _SUBSLICE_MM))
    within = (np.arange(thin) + 0.5) / thin - 0.5
    z = (offsets[0][:, None] + within * spacing_mm[0]).ravel()
    axes = np.exp(rng.normal(0, 0.12, 3))
    axes /= np.prod(axes) ** (1 / 3)
    at = np.ix_(z / axes[0], offsets[1] / axes[1], offsets[2] / axes[2])
    depth = radius_mm - np.sqrt(at[0] ** 2 + at[1] ** 2 + at[2] ** 2)
    steps = (spacing_mm[0] / thin, *spacing_mm[1:])
    rough = float(rng.uniform(0.08, 0.22))
    depth = depth + rough * radius_mm * _surface(depth.shape, steps, radius_mm * 0.5, rng)
    cover = np.clip(depth / _EDGE_MM + 0.5, 0, 1)
    return np.asarray(cover.reshape(-1, thin, *cover.shape[1:]).mean(axis=1), dtype=np.float32)


def _surface(shape: tuple[int, ...], steps: Vector, scale_mm: float, rng: np.random.Generator) -> Voxels:
    """Smooth random field of standard deviation 1, made coarse and stretched."""
    coarse = [max(2, round(n * step / max(scale_mm, step)) + 1) for n, step in zip(shape, steps, strict=True)]
    values = rng.standard_normal(coarse).astype(np.float32)
    field = ndimage.zoom(values, [n / c for n, c in zip(shape, coarse, strict=True)], order=1, grid_mode=False)
    return np.asarray(field / max(float(field.std()), 1e-3), dtype=np.float32)


def _add_ground_glass(part: Voxels, cover: Voxels, hu: float) -> None:
    """Add density where there is air; vessels stay visible in it."""
    filled = np.clip((_smooth(part) - _LUNG_HU) / -_LUNG_HU, 0, 1)
    part += cover * (hu - _LUNG_HU) * (1 - filled)


def _add_tissue(part: Voxels, cover: Voxels, hu: Voxels) -> None:
    """Put tissue where there is none yet: wall and vessels stay what they are."""
    part += cover * np.where(_smooth(part) > _TISSUE_FROM_HU, np.float32(0), hu - part)


def _smooth(part: Voxels) -> Voxels:
    return np.asarray(ndimage.gaussian_filter(part, (0.5, 1.5, 1.5)), dtype=np.float32)


def _noise(volume: Volume, place: tuple[int, int, int], shape: tuple[int, ...]) -> Voxels:
    """Noise of a block of the volume's own soft tissue, mirrored over and over until it is large enough."""
    half = [max(1, round(_NOISE_SIDE_MM / 2 / step)) for step in volume.spacing_mm]
    block = volume.voxels_hu[tuple(slice(max(0, p - h), p + h + 1) for p, h in zip(place, half, strict=True))]
    block = block - ndimage.gaussian_filter(block, (0, half[1] / 2, half[2] / 2))
    more = [(0, max(0, n - size)) for n, size in zip(shape, block.shape, strict=True)]
    mirrored = np.pad(block, more, mode="symmetric")
    return np.asarray(mirrored[tuple(slice(n) for n in shape)], dtype=np.float32)
