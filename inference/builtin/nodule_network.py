"""The network that judges candidates: two small stacks of 3D convolutions, a near look and a far one, joined."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from inference.builtin.nodule_patches import N_FACTS, Bytes, Facts

CHANNELS = (8, 24, 48, 64)
USUAL_DIAMETER_MM = 10.0

_HIDDEN = 32
_BATCH = 64


class NoduleNetwork(nn.Module):
    """
    From two cubes and three facts of a candidate to a logit and a size.

    About 243,000 weights. Inputs are bytes, 0 at -1000 HU and 255 at 400 HU.
    """

    def __init__(self) -> None:
        super().__init__()
        self.near, self.far = _stack(), _stack()
        self.join = nn.Sequential(
            nn.Linear(4 * CHANNELS[-1] + N_FACTS, _HIDDEN), nn.ReLU(), nn.Dropout(0.2), nn.Linear(_HIDDEN, 2)
        )

    def forward(self, cubes: torch.Tensor, facts: torch.Tensor) -> torch.Tensor:
        """
        Judge candidates.

        Parameters
        ----------
        cubes
            Shape (n, 2, side, side, side), bytes.
        facts
            Shape (n, 3).

        Returns
        -------
        Tensor of shape (n, 2)
            Logit, and binary logarithm of the diameter over 10 mm.
        """
        scaled = cubes.to(facts.dtype) / 127.5 - 1
        pooled = []
        for k, stack in enumerate((self.near, self.far)):
            maps = stack(scaled[:, k : k + 1])
            pooled += [maps.mean(dim=(2, 3, 4)), maps.amax(dim=(2, 3, 4))]
        out: torch.Tensor = self.join(torch.cat([*pooled, facts], dim=1))
        return out


def judged(network: NoduleNetwork, cubes: Bytes, facts: Facts) -> npt.NDArray[np.float64]:
    """
    Return what a network says of candidates.

    Parameters
    ----------
    network
        Ready to compute.
    cubes, facts
        Of n candidates.

    Returns
    -------
    ndarray of shape (n, 2)
        Score 0..1, and diameter in mm.
    """
    parts = [np.empty((0, 2))]
    with torch.inference_mode():
        for at in range(0, len(cubes), _BATCH):
            given = torch.from_numpy(cubes[at : at + _BATCH]), torch.from_numpy(facts[at : at + _BATCH])
            parts.append(network(*given).double().numpy())
    out = np.concatenate(parts)
    if not np.isfinite(out).all():
        raise ArithmeticError("the network gave a number that is none")
    return np.stack([1 / (1 + np.exp(-out[:, 0])), USUAL_DIAMETER_MM * 2 ** out[:, 1]], axis=1)


def network_of(weights: dict[str, torch.Tensor]) -> NoduleNetwork:
    """Return a network with these weights, ready to compute."""
    network = NoduleNetwork()
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)


def _stack() -> nn.Sequential:
    layers: list[nn.Module] = []
    before = 1
    for depth, channels in enumerate(CHANNELS):
        if depth:
            layers.append(nn.MaxPool3d(2))
        layers += [nn.Conv3d(before, channels, 3, padding=1, bias=False), nn.BatchNorm3d(channels), nn.ReLU()]
        before = channels
    return nn.Sequential(*layers)
