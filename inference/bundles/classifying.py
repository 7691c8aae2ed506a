"""A network that judges the voxels around a candidate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from inference.bundles.computing import Computing, as_float32
from inference.bundles.contract import Classifier
from inference.bundles.image import Image, Points
from inference.bundles.segmenting import activated

PATCHES_AT_A_TIME = {"cuda": 16, "cpu": 2}


def classify(image: Image, centres: Sequence[Points], asked: Classifier, computing: Computing) -> list[float]:
    """
    Score the voxels around each centre.

    Parameters
    ----------
    image
        As preprocessed.
    centres
        Indices (x, y, z).
    asked
        Size of a patch and what is the score.
    computing
        The networks.

    Returns
    -------
    list of float
        One score, 0..1, for each centre.
    """
    network = computing.networks[asked.network]
    scores: list[float] = []
    n = max(1, int(PATCHES_AT_A_TIME[computing.conditions.device] * computing.conditions.window_share))
    for first in range(0, len(centres), n):
        some = centres[first : first + n]
        patches = torch.stack([cut_patch(image.voxels[0], centre, asked) for centre in some])
        output = activated(as_float32(network(patches.to(computing.device))), asked.activation)
        scores += [float(score) for score in output[:, asked.channel].reshape(len(some), -1).mean(dim=1).cpu()]
    return scores


def cut_patch(voxels: torch.Tensor, centre: Points, asked: Classifier) -> torch.Tensor:
    """
    Cut a patch; near an edge it is moved inwards, and an image that is smaller is filled up with its lowest value.

    Parameters
    ----------
    voxels
        Tensor of shape (x, y, z).
    centre
        Index (x, y, z).
    asked
        Voxels along each of its axes.

    Returns
    -------
    Tensor
        Of shape (1, *patch).
    """
    sides = asked.patch if asked.axes == "xyz" else asked.patch[::-1]
    starts = [
        int(np.clip(np.ceil(c - side / 2), 0, max(0, n - side)))
        for c, side, n in zip(centre, sides, voxels.shape, strict=True)
    ]
    part = voxels[tuple(slice(start, start + side) for start, side in zip(starts, sides, strict=True))]
    if tuple(part.shape) != tuple(sides):
        filled = torch.full(sides, float(voxels.min()))
        filled[tuple(slice(n) for n in part.shape)] = part
        part = filled
    return (part if asked.axes == "xyz" else part.permute(2, 1, 0))[None]
