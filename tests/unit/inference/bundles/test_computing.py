"""Networks under conditions: precision and layout are what the network sees, and a move that fails leaves a way out."""

from __future__ import annotations

from typing import Any, Self

import pytest
import torch
from torch import nn

from inference.bundles.computing import Computing
from inference.running.conditions import Conditions


class Watched(nn.Module):
    """A convolution that says how it was run."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(2, 4, 3)
        self.seen: list[tuple[torch.dtype, bool]] = []

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        """Compute, and write down the precision of the output and the layout of the weights."""
        output: torch.Tensor = self.convolution(given)
        weight = self.convolution.weight
        self.seen.append((output.dtype, weight.is_contiguous(memory_format=torch.channels_last_3d)))
        return output


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("channels_last", [True, False])
def test_a_network_computes_in_the_precision_and_layout_that_were_chosen(precision: str, channels_last: bool) -> None:
    network = Watched()
    computing = Computing({"network": network})
    for conditions in (Conditions("cpu", precision, channels_last=channels_last), Conditions()):  # type: ignore[arg-type]
        computing.run_under(conditions)
        with computing.active():
            network(torch.zeros(1, 2, 3, 3, 3))
    assert network.seen == [(getattr(torch, precision), channels_last), (torch.float32, True)]


class Stranded(nn.Module):
    """Two parts, of which only the first fits onto the GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = {"first": "cpu", "second": "cpu"}

    def to(self, device: Any = None, **_: Any) -> Self:  # type: ignore[override]
        """Move part by part."""
        if device is not None:
            self.parts["first"] = device
            if device == "cuda":
                raise torch.OutOfMemoryError
            self.parts["second"] = device
        return self


def test_weights_that_were_stranded_half_way_to_the_gpu_all_come_back() -> None:
    network = Stranded()
    computing = Computing({"network": network})
    for share in (1.0, 0.5):
        with pytest.raises(torch.OutOfMemoryError):
            computing.run_under(Conditions("cuda", window_share=share))
        assert network.parts == {"first": "cuda", "second": "cpu"}
    computing.run_under(Conditions("cpu"))
    assert network.parts == {"first": "cpu", "second": "cpu"}
    assert computing.conditions == Conditions("cpu")
