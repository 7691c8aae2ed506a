"""Binary morphology on stacks of slices, within the plane, with squares: fast enough for a whole head."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Mask = npt.NDArray[np.bool_]

_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
_IN_PLANE = np.stack([np.zeros_like(_CROSS), _CROSS, np.zeros_like(_CROSS)])


def square(radius_mm: float, pixel_mm: float) -> int:
    """Return the side, pixels, odd, of the square that reaches `radius_mm` from its centre."""
    return 2 * round(radius_mm / pixel_mm) + 1


def grown(mask: Mask, side: int) -> Mask:
    """Dilate each slice by a square of `side` pixels."""
    return _as_mask(ndimage.maximum_filter(mask.view(np.uint8), (1, side, side), mode="constant"))


def shrunk(mask: Mask, side: int) -> Mask:
    """Erode each slice by a square of `side` pixels; the image's edge does not erode."""
    return _as_mask(ndimage.minimum_filter(mask.view(np.uint8), (1, side, side), mode="nearest"))


def filled(mask: Mask) -> Mask:
    """Fill what a mask encloses within each slice."""
    around = np.pad(~mask, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    labels, count = ndimage.label(around, structure=_IN_PLANE)
    is_outside = np.zeros(count + 1, dtype=np.bool_)
    is_outside[labels[:, 0, 0]] = True  # the rim added around each slice is one piece with its outside
    return _as_mask(~is_outside[labels[:, 1:-1, 1:-1]])


def pieces_of_at_least(mask: Mask, n_voxels: float) -> Mask:
    """Keep the connected pieces (in three dimensions) of at least so many voxels."""
    labels, _ = ndimage.label(mask)
    is_kept = np.bincount(labels.ravel()) >= n_voxels
    is_kept[0] = False
    return _as_mask(is_kept[labels])


def largest_piece(mask: Mask) -> Mask:
    """Keep the largest connected piece (in three dimensions); an empty mask stays empty."""
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return _as_mask(labels == int(sizes.argmax()))


def _as_mask(values: npt.NDArray[np.uint8] | npt.NDArray[np.bool_]) -> Mask:
    return values.astype(np.bool_, copy=False)
