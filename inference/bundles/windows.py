"""Windows that an image is cut into: those of the bundle, smaller when memory is short, where the networks are."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import torch
from monai.inferers.inferer import SlidingWindowInferer


def window_of(inferer: object, sides: Sequence[int]) -> tuple[int, ...] | None:
    """
    Return the window of an inferer.

    Parameters
    ----------
    inferer
        Of the bundle.
    sides
        Of what it cuts: a side of its window that is not above 0 stands for all of it.

    Returns
    -------
    tuple of int or None
        None for what cuts nothing, and for windows of another number of axes, as those of slices.
    """
    if not isinstance(inferer, SlidingWindowInferer):
        return None
    roi = inferer.roi_size
    window = tuple(roi) if isinstance(roi, Sequence) else (int(roi),) * len(sides)
    if len(window) != len(sides):
        return None
    return tuple(own if own and own > 0 else side for own, side in zip(window, sides, strict=True))


def windowed(
    inferer: SlidingWindowInferer, device: torch.device, window: Sequence[int] | None = None
) -> SlidingWindowInferer:
    """
    Return an inferer that cuts as the bundle's does, and computes where the networks are.

    Parameters
    ----------
    inferer
        Of the bundle; it stays as it is.
    device
        Of the networks. What the windows give is put together on the CPU, which has more memory.
    window
        In the place of its own; None: its own.
    """
    adapted = copy(inferer)
    adapted.sw_device, adapted.device = device, torch.device("cpu")
    if window is not None:
        adapted.roi_size, adapted.roi_weight_map = tuple(window), None
    return adapted
