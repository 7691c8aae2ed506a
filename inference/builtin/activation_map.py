"""Where in a slice a logit comes from, and the box around it: a class-activation map, of 14 x 14 places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from inference.builtin.head_slices import SIDE
from inference.builtin.lite_network import LastBlocks

Map = npt.NDArray[np.float32]

_SHARE_OF_PEAK = 0.5
_BLUR_PIXELS = 6.0


@dataclass(frozen=True, slots=True)
class Place:
    """A box in the network's picture, pixels from 0, both ends within it; and its strongest point."""

    low: tuple[float, float]
    high: tuple[float, float]
    peak: tuple[float, float]


def activation_map(network: LastBlocks, maps: torch.Tensor) -> Map:
    """
    Return how much each place adds to the logit of any bleed.

    Parameters
    ----------
    network
        The last blocks.
    maps
        Of one slice, shape (1, 112, 14, 14).

    Returns
    -------
    float32 array of shape (224, 224)
        Not below 0; smooth, since it is worked out at 14 x 14 places.

    References
    ----------
    Draelos and Carin, 2020, arXiv 2011.08891 (HiResCAM): gradient times activation, summed over channels.
    """
    with torch.inference_mode(False), torch.enable_grad():
        given = maps.detach().clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(network(given)[0, 0], given)
        coarse = (gradient * given).sum(dim=1)[0].clamp(min=0).detach().numpy()
    cell = SIDE // coarse.shape[0]
    fine = np.repeat(np.repeat(coarse, cell, axis=0), cell, axis=1)
    return np.asarray(ndimage.gaussian_filter(fine, _BLUR_PIXELS), dtype=np.float32)


def strongest_place(activation: Map, head: npt.NDArray[np.bool_]) -> Place | None:
    """
    Return the box around the strongest point, out to half of its strength.

    Parameters
    ----------
    activation
        From `activation_map`.
    head
        True within the head, same shape; nothing outside it counts.

    Returns
    -------
    Place or None
        None where nothing adds to the logit.
    """
    inside = np.where(head, activation, 0)
    if inside.max() <= 0:
        return None
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    labels, _ = ndimage.label(inside >= _SHARE_OF_PEAK * inside.max())
    rows, columns = ndimage.find_objects(labels)[int(labels[row, column]) - 1]
    low, high = (float(rows.start), float(columns.start)), (float(rows.stop - 1), float(columns.stop - 1))
    return Place(low, high, (float(row), float(column)))
