"""Where and how networks compute: device, precision, memory format, and the share of a window at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from inference.running.conditions import Conditions

_HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Computing:
    """
    Networks under the conditions of the moment.

    Parameters
    ----------
    networks
        By name, on the CPU.
    """

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        self.networks = dict(networks)
        self.conditions = Conditions()
        self._is_moving = False
        self._lay_out()

    @property
    def device(self) -> torch.device:
        """Where networks and their input are."""
        return torch.device(self.conditions.device)

    def run_under(self, conditions: Conditions) -> None:
        """
        Compute under these conditions from now on; nothing is done when they have not changed.

        Memory may run out half-way to a GPU: some weights are there then and some are not, and the next call moves
        all of them, wherever it is told to.
        """
        before, self.conditions = self.conditions, conditions
        if self._is_moving or conditions.device != before.device:
            self._is_moving = True
            for network in self.networks.values():
                network.to(conditions.device)
            self._is_moving = False
        if conditions.channels_last != before.channels_last:
            self._lay_out()

    def _lay_out(self) -> None:
        """Lay convolutions out as asked, where all are of volumes or all of slices."""
        for network in self.networks.values():
            ranks = {parameter.dim() for parameter in network.parameters()}
            if {4, 5} <= ranks:
                continue
            last = torch.channels_last_3d if 5 in ranks else torch.channels_last
            network.to(memory_format=last if self.conditions.channels_last else torch.contiguous_format)  # type: ignore[call-overload]

    @contextmanager
    def active(self) -> Iterator[None]:
        """Compute without gradients, in the precision that is asked for."""
        half = _HALF.get(self.conditions.precision)
        with torch.inference_mode(), torch.autocast(self.device.type, dtype=half, enabled=half is not None):
            yield

    def smaller(self, window: Sequence[int], multiple: Sequence[int]) -> tuple[int, ...]:
        """
        Return a window of `window_share` of the voxels.

        Parameters
        ----------
        window, multiple
            Voxels along each axis; sides of what is returned are multiples, at least one of them.
        """
        scale = self.conditions.window_share ** (1 / len(window))
        return tuple(max(1, int(w * scale) // m) * m for w, m in zip(window, multiple, strict=True))


class NotFiniteError(ArithmeticError):
    """A network gave NaN or infinity, which every threshold after it would read as negative."""


def in_float32(network: nn.Module) -> None:
    """Make a network's outputs float32 and finite, or an error; half a precision of an index is a voxel or two."""

    def _convert(_: nn.Module, __: Any, output: Any) -> Any:
        return as_float32(output)

    network.register_forward_hook(_convert)


def as_float32(output: Any) -> Any:
    """
    Return tensors, within dictionaries and lists too, as float32.

    Raises
    ------
    NotFiniteError
        When one holds NaN or infinity.
    """
    if isinstance(output, torch.Tensor):
        if not bool(torch.isfinite(output).all()):
            raise NotFiniteError
        return output.float()
    if isinstance(output, Mapping):
        return {key: as_float32(each) for key, each in output.items()}
    if isinstance(output, list | tuple):
        return [as_float32(each) for each in output]
    return output
