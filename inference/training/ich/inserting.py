"""Bleeds put at known places into real slices that have none: the data tell that a slice bleeds, never where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference.builtin.head_slices import Frames, Slices

_BRAIN_HU = (12.0, 60.0)
_RADIUS_SHARE = (0.03, 0.09)  # of the head's size, the square root of its area: 5 to 15 mm in an adult
_OVER_BRAIN_HU = (20.0, 38.0)
_EDGE_PIXELS = 1.2
_MOST_HU = 85.0
_FROM_BASE = (0.45, 0.9)  # of the stack: where there is brain


@dataclass(frozen=True, slots=True)
class Inserted:
    """
    One bleed in one slice.

    Parameters
    ----------
    slice_index
        Which slice.
    centre
        Row and column in the working picture of the frames.
    radii
        Along rows and columns, working pixels.
    picture
        The working picture with the bleed in it, HU.
    """

    slice_index: int
    centre: tuple[float, float]
    radii: tuple[float, float]
    picture: Slices


def brain_of(picture: Slices, head: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the largest piece of brain-like tissue of a slice; the scalp is thinner and goes."""
    smooth = ndimage.gaussian_filter(picture, 1.5)
    tissue = head & (smooth > _BRAIN_HU[0]) & (smooth < _BRAIN_HU[1])
    core = ndimage.binary_erosion(tissue, iterations=4)
    labels, n = ndimage.label(core)
    if n == 0:
        return np.zeros_like(head)
    largest = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return np.asarray(ndimage.binary_dilation(largest, iterations=4) & tissue, dtype=np.bool_)


def insert_bleed(frames: Frames, rng: np.random.Generator) -> Inserted | None:
    """
    Put a bleed into one slice of a series.

    Parameters
    ----------
    frames
        Of a series without bleeds.
    rng
        Draws slice, place, size and density.

    Returns
    -------
    Inserted or None
        An ellipse of 5 to 15 mm radius, 20 to 38 HU denser than what was there, soft at its edge, with the noise of the
        slice; None where the slice that was drawn has no brain that holds it.
    """
    n = len(frames.window)
    k = int(rng.integers(int(n * _FROM_BASE[0]), max(int(n * _FROM_BASE[0]) + 1, int(n * _FROM_BASE[1]))))
    picture = frames.window[k]
    brain = brain_of(picture, frames.masks[k])
    size = float(np.sqrt(max(frames.areas[k], 1.0)))
    radius = float(np.exp(rng.uniform(*np.log(_RADIUS_SHARE)))) * size
    stretch = float(np.exp(rng.normal(0, 0.2)))
    radii = (radius * stretch, radius / stretch)
    depth = ndimage.distance_transform_edt(ndimage.binary_closing(brain, iterations=3))
    places = np.argwhere(depth > 0.8 * max(radii))
    if not len(places):
        return None
    row, column = (float(v) for v in places[rng.integers(len(places))])
    rows, columns = np.indices(picture.shape)
    inside = (((rows - row) / radii[0]) ** 2 + ((columns - column) / radii[1]) ** 2 < 1).astype(np.float32)
    soft = ndimage.gaussian_filter(inside, _EDGE_PIXELS)
    dense = np.minimum(picture + np.float32(rng.uniform(*_OVER_BRAIN_HU)), np.maximum(picture, _MOST_HU))
    return Inserted(k, (row, column), radii, (picture + soft * (dense - picture)).astype(np.float32))
