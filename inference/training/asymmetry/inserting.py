"""Dark regions of known size, drop and place, put into a head that has none."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference.builtin.asymmetry.aligning import HeadFrame
from inference.builtin.asymmetry.regions import Region, Regions
from inference.reference.brain import Brain
from inference.volume import Volume
from voorrang.dicom.headers import Vector

_EDGE_MM = 2.0
_FROM_MIDLINE_MM = 14.0
_FROM_BONE_MM = 8.0
_OVER_MEDIAN_HU = (-12.0, 15.0)  # the centre lies in tissue, not in fluid
_BLUR_MM = 3.0


@dataclass(frozen=True, slots=True)
class Dark:
    """
    What is put in.

    Parameters
    ----------
    position_mm
        Centre, LPS.
    region
        In which of the regions the centre lies, and on which side.
    diameter_mm
        Of the ball.
    drop_hu
        How much darker tissue is in it.
    """

    position_mm: Vector
    region: Region
    diameter_mm: float
    drop_hu: float


def draw_centres(brain: Brain, frame: HeadFrame, regions: Regions, rng: np.random.Generator, n: int) -> list[Vector]:
    """
    Draw centres in brain tissue, off the midline, off bone and within a region.

    Parameters
    ----------
    brain, frame, regions
        Of the head without the dark region.
    rng
        Draws.
    n
        How many; of each side as chance has it.
    """
    volume = brain.volume
    sigma = (0.0, *(_BLUR_MM / step for step in volume.spacing_mm[1:]))
    smooth = ndimage.gaussian_filter(np.clip(volume.voxels_hu, 0, 80), sigma)
    low, high = (brain.median_hu + over for over in _OVER_MEDIAN_HU)
    is_tissue = brain.mask & (brain.bone_distance_mm > _FROM_BONE_MM) & (smooth > low) & (smooth < high)
    steps = np.array([volume.slice_step_mm, volume.row_step_mm, volume.column_step_mm])
    positions = np.array(volume.origin_mm) + np.argwhere(is_tissue) @ steps
    places = frame.to_frame(positions)
    fits = (np.abs(places[:, 0]) > _FROM_MIDLINE_MM) & regions.holds(places)
    chosen = positions[fits][rng.choice(np.count_nonzero(fits), n, replace=False)]
    return [(float(x), float(y), float(z)) for x, y, z in chosen]


def darkened(brain: Brain, frame: HeadFrame, dark: Dark) -> Brain:
    """
    Return a brain with a dark ball in one half.

    Parameters
    ----------
    brain, frame
        Without it: the ball ends at the skull and at the midline.
    dark
        What is put in; soft at its edge, with the noise of what was there.
    """
    volume = brain.volume
    box = _box(volume, dark.position_mm, dark.diameter_mm / 2 + _EDGE_MM)
    places = _positions(volume, box)
    distance = np.linalg.norm(places - np.array(dark.position_mm), axis=-1)
    soft = np.clip((dark.diameter_mm / 2 - distance) / _EDGE_MM + 0.5, 0, 1)
    side = np.sign(frame.to_frame(np.array([dark.position_mm]))[0, 0])
    is_own = (frame.to_frame(places.reshape(-1, 3))[:, 0] * side > 0).reshape(soft.shape)
    voxels = volume.voxels_hu.copy()
    voxels[box] -= (dark.drop_hu * soft * is_own * brain.mask[box]).astype(np.float32)
    median = float(np.median(voxels[brain.mask]))
    return replace(brain, volume=replace(volume, voxels_hu=voxels), median_hu=median)


def _box(volume: Volume, centre_mm: Vector, reach_mm: float) -> tuple[slice, slice, slice]:
    """Return the voxels within a cube about a position; axial volumes, tilted by less than 45 degrees."""
    corners = [np.array(centre_mm) + reach_mm * (2.0 * np.array(end) - 1.0) for end in np.ndindex(2, 2, 2)]
    indices = np.array([volume.to_index((float(x), float(y), float(z))) for x, y, z in corners])
    low, high = np.floor(indices.min(axis=0)).astype(int), np.ceil(indices.max(axis=0)).astype(int) + 1
    a, b, c = (slice(max(0, int(w)), max(0, int(h))) for w, h in zip(low, high, strict=True))
    return (a, b, c)


def _positions(volume: Volume, box: tuple[slice, slice, slice]) -> npt.NDArray[np.float64]:
    axes = [np.arange(part.start, min(part.stop, n)) for part, n in zip(box, volume.voxels_hu.shape, strict=True)]
    indices = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    steps = np.array([volume.slice_step_mm, volume.row_step_mm, volume.column_step_mm])
    return np.asarray(np.array(volume.origin_mm) + indices @ steps, dtype=np.float64)
