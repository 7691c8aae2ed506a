"""A map that is not one score in 0..1 for each voxel is an error: what it leaves out would read as negative."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from inference.bundles.folder import read_bundle
from inference.bundles.model import BundleModel
from inference.bundles.segmenting import NoScoresError, OtherShapeError
from tests.unit.inference.bundles.small import make_bundle, make_inference, make_values, make_volume, save_script

WINDOWS = {"_target_": "SlidingWindowInferer", "roi_size": [16, 16, 8], "overlap": 0.25}


class Coarser(nn.Module):
    """Marks what is above 0 HU, on every second voxel along each axis."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the map of one channel."""
        dense = (x > 0).to(x.dtype)
        return dense[:, :1, ::2, ::2, ::2] if x.dim() == 5 else dense[:, :1, ::2, ::2]


class OneForAll(nn.Module):
    """One score for a slice, as a classifier gives."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a map of one pixel."""
        return (x > 0).to(x.dtype).amax(dim=(1, 2, 3), keepdim=True)


class Logits(nn.Module):
    """Surer of what is above 0 HU, in logits: 0.4 is a probability of 0.6, and -4 is one of 0.02."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the map of one channel."""
        return (x[:, :1] > 0).to(x.dtype) * 4.4 - 4.0


class ALittleMore(nn.Module):
    """As rounding may leave it: above 1 by less than anybody sees."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the map of one channel."""
        return (x[:, :1] > 0).to(x.dtype) * 1.0000001


def read_with(network: nn.Module, folder: Path, **segmenter: Any) -> float:
    """Let a network read a series with one dense spot; return the score."""
    asked = {"network": "marker", **segmenter}
    contract = make_values(reading={"kind": "candidates", "segmenter": asked})
    make_bundle(folder, contract=contract, inference=make_inference(inferer=WINDOWS))
    save_script(network, folder / "models" / "marker.ts")
    return BundleModel(read_bundle(folder)).read(make_volume((14, 21, 32), [((9, 6, 24), 2)])).score


@pytest.mark.parametrize("segmenter", [{}, {"inferer": "inferer"}, {"slices": 1}, {"axes": "zyx"}])
def test_map_on_another_grid_is_an_error(segmenter: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(OtherShapeError):
        read_with(Coarser(), tmp_path / "b", **segmenter)


def test_one_score_for_a_slice_is_not_taken_for_each_of_its_pixels(tmp_path: Path) -> None:
    with pytest.raises(OtherShapeError):
        read_with(OneForAll(), tmp_path / "b", slices=1)


@pytest.mark.parametrize("segmenter", [{}, {"slices": 1}])
def test_logits_without_their_activation_are_an_error(segmenter: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(NoScoresError):
        read_with(Logits(), tmp_path / "a", **segmenter)
    assert read_with(Logits(), tmp_path / "b", activation="sigmoid", **segmenter) == pytest.approx(0.5987, abs=1e-4)


def test_what_rounding_puts_above_1_is_1(tmp_path: Path) -> None:
    assert read_with(ALittleMore(), tmp_path / "b") == 1.0
