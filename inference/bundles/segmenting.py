"""A network that marks voxels, over slices with their neighbours or over volumes in windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from monai.inferers.inferer import SlidingWindowInferer
from torch import nn
from torch.nn import functional

from inference.bundles.computing import Computing, as_float32
from inference.bundles.contract import Activation, Segmenter
from inference.bundles.image import Image
from inference.bundles.windows import window_of, windowed

Map = npt.NDArray[np.float32]
Inference = Callable[..., Any]
Picks = tuple[slice, slice, slice]
SLICES_AT_A_TIME = {"cuda": 8, "cpu": 1}  # on two cores one at a time is three times as fast: it stays in the cache
ROUNDING = 1e-3  # windows that overlap are averaged: the mean of ones may be a little more than one


class OtherShapeError(ValueError):
    """A network gave a map that has not one value for each voxel: what it leaves out would read as negative."""


class NoScoresError(ValueError):
    """A network gave a map with values outside 0..1, such as logits: at a threshold of scores they read as negative."""


def segment(image: Image, picks: Picks, asked: Segmenter, computing: Computing, inferer: Inference | None) -> Map:
    """
    Return the score of each voxel of a part of an image.

    Parameters
    ----------
    image
        As preprocessed.
    picks
        The part, along (x, y, z).
    asked
        How the network takes it.
    computing
        The networks.
    inferer
        Cuts volumes into windows; None: the whole at once.

    Returns
    -------
    ndarray of shape (x, y, z), float32
        Of the part.

    Raises
    ------
    OtherShapeError
        When the map is on another grid than what the network was given.
    NoScoresError
        When its values are no scores.
    """
    network = computing.networks[asked.network]
    if asked.slices is not None:
        return _by_slices(image, picks, asked, computing, network)
    part = image.voxels[0][picks][None, None]
    if asked.axes == "zyx":
        part = part.permute(0, 1, 4, 3, 2)
    sides = part.shape[2:]
    part = _padded(part, asked.divisible).to(computing.device)
    output = network(part) if inferer is None else _adapted(inferer, part, asked, computing)(part, network)
    scores = _scores(output, part, asked)[0].cpu()
    scores = scores[tuple(slice(side) for side in sides)]
    return np.asarray((scores.permute(2, 1, 0) if asked.axes == "zyx" else scores).numpy(), dtype=np.float32)


def activated(output: torch.Tensor, activation: Activation) -> torch.Tensor:
    """Return the output, of shape (batch, channels, ...), after the activation over its channels."""
    if activation == "sigmoid":
        return torch.sigmoid(output)
    return torch.softmax(output, dim=1) if activation == "softmax" else output


def _by_slices(image: Image, picks: Picks, asked: Segmenter, computing: Computing, network: nn.Module) -> Map:
    """Slices beyond the ends of the image are those at its ends."""
    x, y, z = picks
    rows = image.voxels[0][x, y].permute(2, 1, 0)  # (slice, row, column) of the whole stack
    reach = (asked.slices or 1) // 2
    out = np.empty((z.stop - z.start, rows.shape[1], rows.shape[2]), np.float32)
    n = max(1, int(SLICES_AT_A_TIME[computing.conditions.device] * computing.conditions.window_share))
    for first in range(z.start, z.stop, n):
        middle = torch.arange(first, min(first + n, z.stop))
        index = (middle[:, None] + torch.arange(-reach, reach + 1)).clamp(0, rows.shape[0] - 1)
        given = _padded(rows[index], asked.divisible).to(computing.device)
        scores = _scores(network(given), given, asked)[:, : rows.shape[1], : rows.shape[2]]
        out[first - z.start : first - z.start + len(middle)] = scores.cpu().numpy()
    return out.transpose(2, 1, 0)


def _scores(output: Any, given: torch.Tensor, asked: Segmenter) -> torch.Tensor:
    """Return the scores of shape (batch, ...) of what was given, one for each voxel."""
    scores = activated(as_float32(output), asked.activation)[:, asked.channel]
    if scores.shape != (given.shape[0], *given.shape[2:]):
        raise OtherShapeError
    low, high = scores.aminmax()
    if not -ROUNDING <= float(low) <= float(high) <= 1.0 + ROUNDING:
        raise NoScoresError
    return scores.clamp(0.0, 1.0)


def _padded(part: torch.Tensor, divisible: int) -> torch.Tensor:
    """Pad the ends of the axes after the second to multiples, with the lowest value."""
    lacking = [-side % divisible for side in reversed(part.shape[2:])]
    if not any(lacking):
        return part
    return functional.pad(part, [n for lack in lacking for n in (0, lack)], value=float(part.min()))


def _adapted(inferer: Inference, part: torch.Tensor, asked: Segmenter, computing: Computing) -> Inference:
    """Return the inferer where the networks are, with smaller windows where memory is short."""
    if not isinstance(inferer, SlidingWindowInferer):
        return inferer
    window = window_of(inferer, part.shape[2:])
    if window is None or computing.conditions.window_share == 1.0:
        return windowed(inferer, computing.device)
    return windowed(inferer, computing.device, computing.smaller(window, (asked.divisible,) * len(window)))
