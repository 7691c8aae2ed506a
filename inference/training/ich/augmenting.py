"""Slices as other heads, scanners and windows would have given them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference.builtin.head_slices import HEAD_SIDE, WINDOW_HU, Frames, Mask, Matrix, Slices, upright

_LOW_HU, _HIGH_HU = (-15.0, 8.0), (70.0, 100.0)  # ends of other windows


def augmented(frames: Frames, k: int, rng: np.random.Generator) -> tuple[Slices, Mask]:
    """
    Return one slice changed at random.

    Parameters
    ----------
    frames
        Of the series.
    k
        Which slice.
    rng
        Where chance comes from.

    Returns
    -------
    tuple of ndarray
        HU and the head, as `upright` gives them: flipped, turned by up to 12 degrees, scaled, moved, at times of the
        size that this slice alone would have; then blurred or sharpened, with gain, offset, gamma, another window,
        and noise.
    """
    hu, mask = upright(frames, k, _change(frames, k, rng))
    low, high = WINDOW_HU
    if rng.random() < 0.4:
        hu = ndimage.gaussian_filter(hu, rng.uniform(0.3, 1.7), truncate=2)
    elif rng.random() < 0.3:
        hu = hu + rng.uniform(0.2, 0.8) * (hu - ndimage.gaussian_filter(hu, 1.0, truncate=2))
    if rng.random() < 0.4:
        hu = np.clip(hu, rng.uniform(*_LOW_HU), rng.uniform(*_HIGH_HU))
    share = np.clip((hu - low) / (high - low), 0, 1) ** np.exp(rng.normal(0, 0.15))
    hu = low + (high - low) * share
    hu = 35 + np.exp(rng.normal(0, 0.18)) * (hu - 35) + rng.normal(0, 6)
    if rng.random() < 0.7:
        hu = hu + _noise(rng, hu.shape)
    return np.clip(hu, low, high).astype(np.float32), mask


def _change(frames: Frames, k: int, rng: np.random.Generator) -> Matrix:
    size = np.exp(rng.normal(0, 0.08))
    if rng.random() < 0.3 and frames.areas[k] > 0:  # a series of this slice alone
        size *= np.clip(np.sqrt(frames.areas[k]) / (frames.scale * HEAD_SIDE), 0.5, 1.5)
    turn = np.radians(np.clip(rng.normal(0, 5), -12, 12))
    linear = size * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = linear @ np.diag([1.0, np.exp(rng.normal(0, 0.04))])
    if rng.random() < 0.5:
        linear[:, 1] *= -1
    shift = rng.normal(0, 4, (2, 1))
    return np.concatenate([linear, shift], axis=1)


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    noise = rng.standard_normal(shape, dtype=np.float32)
    if rng.random() < 0.5:
        noise = ndimage.gaussian_filter(noise, 0.8, truncate=2)
        noise /= noise.std()
    return noise * np.float32(rng.gamma(2.0, 1.5))
