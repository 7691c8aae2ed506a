"""
Bleeds put at known places into real slices that have none: the data tell that a slice bleeds, never where.

Training sees such slices too, beside ones in which the same shape is darker than the brain and is no bleed; whatever
is measured on them is measured on patients that the weights never saw.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference.builtin.head_slices import Frames, Slices

_BRAIN_HU = (12.0, 60.0)
_RADIUS_SHARE = (0.03, 0.11)  # of the head's size, the square root of its area: 5 to 17 mm in an adult
_CRESCENT_SHARE = (0.025, 0.07)  # thickness
_CRESCENT_TURN = (0.25, 0.9)  # radians to each side
_OVER_BRAIN_HU = (15.0, 38.0)
_UNDER_BRAIN_HU = (-16.0, -6.0)
_BLOB_SHARE = 0.65
_EDGE_PIXELS = 1.2
_MOST_HU = 88.0
_FROM_BASE = (0.42, 0.92)  # of the stack: where there is brain

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Inserted:
    """
    One bleed, or one dark region, in one slice.

    Parameters
    ----------
    slice_index
        Which slice.
    centre
        Row and column of its centre of mass in the working picture of the frames.
    area
        Working pixels.
    is_blob
        In the brain, and not a crescent along the skull.
    picture
        The working picture with it, HU.
    """

    slice_index: int
    centre: tuple[float, float]
    area: int
    is_blob: bool
    picture: Slices


def brain_of(picture: Slices, head: Mask) -> Mask:
    """Return the largest piece of brain-like tissue of a slice, filled; the scalp is thinner and goes."""
    smooth = ndimage.gaussian_filter(picture, 1.5)
    tissue = head & (smooth > _BRAIN_HU[0]) & (smooth < _BRAIN_HU[1])
    core = ndimage.binary_erosion(tissue, iterations=4)
    labels, n = ndimage.label(core)
    if n == 0:
        return np.zeros_like(head)
    largest = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    grown = ndimage.binary_dilation(largest, iterations=4) & tissue
    return np.asarray(ndimage.binary_fill_holes(grown), dtype=np.bool_)


def insert_region(frames: Frames, rng: np.random.Generator, *, is_bleed: bool = True) -> Inserted | None:
    """
    Put a bleed, or a dark region, into one slice of a series.

    Parameters
    ----------
    frames
        Of a series.
    rng
        Draws slice, shape, place, size and density.
    is_bleed
        False: 6 to 16 HU below what was there, as an infarct has.

    Returns
    -------
    Inserted or None
        A blob of 5 to 17 mm radius or a crescent along the skull, 15 to 38 HU denser than what was there, soft at its
        edge, with the noise of the slice; None where the slice that was drawn has no brain that holds it.
    """
    n = len(frames.window)
    k = int(rng.integers(int(n * _FROM_BASE[0]), max(int(n * _FROM_BASE[0]) + 1, int(n * _FROM_BASE[1]))))
    picture = frames.window[k]
    brain = brain_of(picture, frames.masks[k])
    size = float(np.sqrt(max(frames.areas[k], 1.0)))
    is_blob = bool(rng.random() < _BLOB_SHARE)
    shape = _blob(brain, size, rng) if is_blob else _crescent(brain, size, rng)
    if np.count_nonzero(shape) < 30:
        return None
    row, column = (float(v) for v in np.argwhere(shape).mean(axis=0))
    soft = ndimage.gaussian_filter(shape.astype(np.float32), _EDGE_PIXELS)
    change = np.float32(rng.uniform(*(_OVER_BRAIN_HU if is_bleed else _UNDER_BRAIN_HU)))
    changed = np.minimum(picture + change, np.maximum(picture, _MOST_HU))
    made = (picture + soft * (changed - picture)).astype(np.float32)
    return Inserted(k, (row, column), int(np.count_nonzero(shape)), is_blob, made)


def _blob(brain: Mask, size: float, rng: np.random.Generator) -> Mask:
    """Return an ellipse with an uneven edge, at random within the brain."""
    radius = float(np.exp(rng.uniform(*np.log(_RADIUS_SHARE)))) * size
    stretch = float(np.exp(rng.normal(0, 0.25)))
    depth = ndimage.distance_transform_edt(brain)
    places = np.argwhere(depth > 0.7 * radius)
    if not len(places):
        return np.zeros_like(brain)
    row, column = places[rng.integers(len(places))]
    rows, columns = np.indices(brain.shape)
    uneven = ndimage.gaussian_filter(rng.standard_normal(brain.shape), radius / 3)
    uneven *= rng.uniform(0, 0.3) / max(float(uneven.std()), 1e-6)
    far = ((rows - row) / (radius * stretch)) ** 2 + ((columns - column) / (radius / stretch)) ** 2
    return np.asarray((far + uneven < 1) & (far < 4) & brain, dtype=np.bool_)


def _crescent(brain: Mask, size: float, rng: np.random.Generator) -> Mask:
    """Return a crescent along the edge of the brain, thickest in its middle."""
    if not brain.any():
        return np.zeros_like(brain)
    depth = ndimage.distance_transform_edt(brain)
    rows, columns = np.indices(brain.shape) - np.argwhere(brain).mean(axis=0)[:, None, None]
    off = np.abs((np.arctan2(rows, columns) - rng.uniform(-np.pi, np.pi) + np.pi) % (2 * np.pi) - np.pi)
    share = 1 - (off / rng.uniform(*_CRESCENT_TURN)) ** 2
    return np.asarray(brain & (depth < rng.uniform(*_CRESCENT_SHARE) * size * share), dtype=np.bool_)
