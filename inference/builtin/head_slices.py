"""
Axial slices of a head as a network takes them: the head found, upright, of one size, its tissue amid the scale.

Nothing here needs millimetres or values outside the brain window: training pictures have neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

SIDE = 224
WINDOW_HU = (-20.0, 100.0)

Slices = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Matrix = npt.NDArray[np.float64]

_WORKING_PIXELS = 320
_TISSUE_OVER_AIR_HU = 22.0
_OPENING = 0.016  # of the picture's side: half the thickness of what is cut off, such as a head rest or an ear
HEAD_SIDE = 165.0  # pixels: square root of the area of a head, as the network sees it
_MAX_TURN_DEGREES = 40.0
_MIN_HEAD_SHARE = 0.02  # of the picture
_TISSUE_HU = (5.0, 75.0)
_CHANNELS_HU = ((-40.0, 60.0), (-15.0, 35.0), (-5.0, 25.0))  # above the median of the tissue
_NARROW_BLUR = 1.0


@dataclass(frozen=True, slots=True)
class Frames:
    """
    Where the head lies in each slice of a series.

    Parameters
    ----------
    window
        Array of shape (n_slices, rows, columns), HU within `WINDOW_HU`, at a working size.
    masks
        True within the head, same shape.
    centres
        Shape (n_slices, 2), row and column of the head's centre; of the picture's where there is no head.
    areas
        Shape (n_slices,), pixels of the head; 0 where there is none.
    turn
        Radians by which the whole head is turned, counter-clockwise as seen; 0 is upright.
    scale
        Working pixels for one pixel of the network, one number for the series.
    reduction
        Pixels of the series for one working pixel, along rows and columns.
    """

    window: Slices
    masks: Mask
    centres: Matrix
    areas: Matrix
    turn: float
    scale: float
    reduction: tuple[float, float]


def find_frames(slices_hu: Slices, pixel_ratio: float = 1.0) -> Frames:
    """
    Find the head in every slice.

    Parameters
    ----------
    slices_hu
        Array of shape (n_slices, rows, columns), HU; forehead at the top.
    pixel_ratio
        Height of a pixel over its width.

    Returns
    -------
    Frames
        The turn is that of the longer principal axis of all slices together; beyond 40 degrees it is not believed.
    """
    window, reduction = _reduced(np.clip(slices_hu, *WINDOW_HU), pixel_ratio)
    masks = np.stack([_head(each) for each in window])
    areas = np.count_nonzero(masks, axis=(1, 2)).astype(np.float64)
    middle = (np.array(window.shape[1:], dtype=np.float64) - 1) / 2
    centres = np.tile(middle, (len(window), 1))
    spread = np.zeros((2, 2))
    for k, mask in enumerate(masks):
        if areas[k]:
            points = np.argwhere(mask).astype(np.float64)
            centres[k] = points.mean(axis=0)
            offset = points - centres[k]
            spread += offset.T @ offset
    usual = float(np.percentile(np.sqrt(areas[areas > 0]), 80)) if areas.any() else float(window.shape[1]) * 0.6
    return Frames(window, masks, centres, areas, _turn(spread), usual / HEAD_SIDE, reduction)


def upright(frames: Frames, k: int, change: Matrix | None = None) -> tuple[Slices, Mask]:
    """
    Return one slice with the head upright, in the middle and of the usual size.

    Parameters
    ----------
    frames
        Of the series.
    k
        Which slice.
    change
        Shape (2, 3): what is done to the place of each pixel, from the centre, before it is looked up; None: nothing.

    Returns
    -------
    tuple of ndarray
        HU and the head, both of shape (224, 224); outside the picture the lowest HU of the window.
    """
    matrix, offset = lookup(frames, k, change)
    hu = ndimage.affine_transform(
        frames.window[k], matrix, offset, (SIDE, SIDE), order=1, mode="constant", cval=WINDOW_HU[0]
    )
    mask = ndimage.affine_transform(frames.masks[k].astype(np.float32), matrix, offset, (SIDE, SIDE), order=1) > 0.5
    return hu.astype(np.float32), mask


def lookup(frames: Frames, k: int, change: Matrix | None = None) -> tuple[Matrix, Matrix]:
    """Return the matrix (2, 2) and offset (2,) from (row, column) of the network to those of the working picture."""
    sine, cosine = np.sin(frames.turn), np.cos(frames.turn)
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    linear, shift = (np.eye(2), np.zeros(2)) if change is None else (change[:, :2], change[:, 2])
    matrix = frames.scale * rotation @ linear
    middle = (SIDE - 1) / 2
    offset = frames.centres[k] + frames.scale * rotation @ shift - matrix @ np.full(2, middle)
    return matrix, offset


def as_channels(hu: Slices, mask: Mask) -> Slices:
    """
    Return one slice at three contrasts around the median of its own tissue.

    Parameters
    ----------
    hu, mask
        From `upright`.

    Returns
    -------
    float32 array of shape (3, 224, 224)
        Each -1..1; outside the head -1. The narrowest is smoothed.
    """
    tissue = hu[mask & (hu > _TISSUE_HU[0]) & (hu < _TISSUE_HU[1])]
    over = hu - (np.median(tissue) if tissue.size else np.float32(35.0))
    over = np.where(mask, over, np.float32(_CHANNELS_HU[0][0]))
    layers = [over, over, ndimage.gaussian_filter(over, _NARROW_BLUR, truncate=2)]
    out = np.empty((3, *hu.shape), np.float32)
    for layer, (low, high), place in zip(layers, _CHANNELS_HU, out, strict=True):
        place[:] = (np.clip(layer, low, high) - (low + high) / 2) / ((high - low) / 2)
    return out


def _reduced(window: Slices, pixel_ratio: float) -> tuple[Slices, tuple[float, float]]:
    """Average to about the working size, with square pixels."""
    rows, columns = window.shape[1:]
    side = max(rows * pixel_ratio, columns)
    step = max(1, round(side / _WORKING_PIXELS))
    if step > 1:
        rows, columns = rows // step * step, columns // step * step
        blocks = window[:, :rows, :columns].reshape(len(window), rows // step, step, columns // step, step)
        window = blocks.mean(axis=(2, 4), dtype=np.float32)
    if abs(pixel_ratio - 1) > 0.01:
        window = ndimage.zoom(window, (1, pixel_ratio, 1), order=1)
    return np.ascontiguousarray(window, np.float32), (step / pixel_ratio, float(step))


def _head(window: Slices) -> Mask:
    """Return the largest filled piece of tissue that is not thin; empty where it is next to nothing."""
    air = float(np.percentile(window, 2))
    tissue = ndimage.binary_fill_holes(ndimage.uniform_filter(window, 3) > air + _TISSUE_OVER_AIR_HU)
    radius = _OPENING * max(window.shape)
    core = ndimage.distance_transform_edt(np.pad(tissue, 1))[1:-1, 1:-1] > radius
    labels, n = ndimage.label(core)
    if n == 0:
        return np.zeros(window.shape, np.bool_)
    core = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    head: Mask = tissue & (ndimage.distance_transform_edt(~core) <= radius)
    return head if np.count_nonzero(head) >= _MIN_HEAD_SHARE * head.size else np.zeros(window.shape, np.bool_)


def _turn(spread: Matrix) -> float:
    _, axes = np.linalg.eigh(spread)
    down, right = axes[:, 1] * (1.0 if axes[0, 1] >= 0 else -1.0)  # the longer axis, as (row, column)
    turn = float(np.arctan2(right, down))
    return turn if abs(turn) <= np.radians(_MAX_TURN_DEGREES) else 0.0
