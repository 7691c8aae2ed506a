"""Networks that judge candidates: each three stacks of 3D convolutions, a close, a near and a far look, joined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from inference.builtin.nodule_patches import N_FACTS, Bytes, Facts

CHANNELS = ((8, 24, 48, 64), (8, 24, 48, 64), (8, 16, 32, 64))  # close, near, far
USUAL_DIAMETER_MM = 10.0

_HIDDEN = 32
_BATCH = 64

Outputs = npt.NDArray[np.float64]


class NoduleNetwork(nn.Module):
    """
    From three cubes and nine facts of a candidate to a logit and a size.

    Cubes are bytes, 0 at -1000 HU and 255 at 400 HU. Maps are pooled before they are normalised, and lie in memory with
    channels last: on a CPU that takes half of the time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stacks = nn.ModuleList(_stack(channels) for channels in CHANNELS)
        pooled = 2 * sum(channels[-1] for channels in CHANNELS)
        self.join = nn.Sequential(
            nn.Linear(pooled + N_FACTS, _HIDDEN), nn.ReLU(), nn.Dropout(0.2), nn.Linear(_HIDDEN, 2)
        )

    def forward(self, cubes: torch.Tensor, facts: torch.Tensor) -> torch.Tensor:
        """
        Judge candidates.

        Parameters
        ----------
        cubes
            Shape (n, 3, side, side, side), bytes.
        facts
            Shape (n, 9).

        Returns
        -------
        Tensor of shape (n, 2)
            Logit, and binary logarithm of the diameter over 10 mm.
        """
        scaled = cubes.to(facts.dtype) / 127.5 - 1
        pooled = []
        for k, stack in enumerate(self.stacks):
            maps = stack(scaled[:, k : k + 1].contiguous(memory_format=torch.channels_last_3d))
            pooled += [maps.mean(dim=(2, 3, 4)), maps.amax(dim=(2, 3, 4))]
        out: torch.Tensor = self.join(torch.cat([*pooled, facts], dim=1))
        return out


class NoduleNetworks(nn.Module):
    """
    Networks that were trained alike from different seeds.

    Parameters
    ----------
    members
        The networks.
    """

    def __init__(self, members: Iterable[NoduleNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, cubes: torch.Tensor, facts: torch.Tensor) -> torch.Tensor:
        """
        Judge candidates.

        Parameters
        ----------
        cubes, facts
            As for one of them.

        Returns
        -------
        Tensor of shape (members, n, 2)
            Of each: logit, and binary logarithm of the diameter over 10 mm.
        """
        return torch.stack([member(cubes, facts) for member in self.members])


def outputs_of(networks: NoduleNetworks, cubes: Bytes, facts: Facts) -> Outputs:
    """
    Return what each network says of candidates.

    Parameters
    ----------
    networks
        Ready to compute.
    cubes, facts
        Of n candidates.

    Returns
    -------
    ndarray of shape (members, n, 2)
        Logit, and binary logarithm of the diameter over 10 mm.

    Raises
    ------
    ArithmeticError
        When one of them is not finite.
    """
    parts = [np.empty((len(networks.members), 0, 2))]
    with torch.inference_mode():
        for at in range(0, len(cubes), _BATCH):
            given = torch.from_numpy(cubes[at : at + _BATCH]), torch.from_numpy(facts[at : at + _BATCH])
            parts.append(networks(*given).double().numpy())
    out = np.concatenate(parts, axis=1)
    if not np.isfinite(out).all():
        raise ArithmeticError("the network gave a number that is none")
    return out


def judged(outputs: Outputs) -> npt.NDArray[np.float64]:
    """
    Return what networks say together: the mean of their logits, and of their diameters as logarithms.

    Parameters
    ----------
    outputs
        Of one or more networks, shape (members, n, 2).

    Returns
    -------
    ndarray of shape (n, 2)
        Score 0..1, and diameter in mm.
    """
    logits, sizes = np.moveaxis(outputs.mean(axis=0), 1, 0)
    return np.stack([1 / (1 + np.exp(-logits)), USUAL_DIAMETER_MM * 2**sizes], axis=1)


def networks_of(weights: dict[str, torch.Tensor]) -> NoduleNetworks:
    """Return networks with these weights, ready to compute."""
    members = {name.split(".")[1] for name in weights}
    networks = NoduleNetworks(NoduleNetwork() for _ in members)
    networks.load_state_dict(weights)
    return networks.eval().requires_grad_(False)


def _stack(channels: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    before = 1
    for depth, after in enumerate(channels):
        layers.append(nn.Conv3d(before, after, 3, padding=1, bias=False))
        if depth < len(channels) - 1:
            layers.append(nn.MaxPool3d(2))
        layers += [nn.BatchNorm3d(after), nn.ReLU()]
        before = after
    stack = nn.Sequential(*layers)
    stack.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return stack
