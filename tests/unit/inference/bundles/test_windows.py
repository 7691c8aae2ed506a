"""Windows are those of the bundle, smaller ones too: padded alike, whole where it says so, where the networks are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from inference.bundles.folder import read_bundle
from inference.bundles.model import BundleModel
from inference.running.conditions import Conditions
from tests.unit.inference.bundles.small import make_bundle, make_inference, make_values, make_volume


class NearDense(nn.Module):
    """Marks what lies within a voxel of something above 0 HU; remembers the windows that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.windows: set[tuple[int, ...]] = set()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the map of one channel."""
        self.windows.add(tuple(x.shape[2:]))
        return functional.max_pool3d((x > 0).to(x.dtype), 3, stride=1, padding=1)


def make_model(folder: Path, **inferer: Any) -> tuple[BundleModel, NearDense]:
    asked = {"_target_": "SlidingWindowInferer", "roi_size": [16, 16, 8], "overlap": 0.25, **inferer}
    values = make_values(reading={"kind": "candidates", "segmenter": {"network": "marker", "inferer": "inferer"}})
    model = BundleModel(read_bundle(make_bundle(folder, contract=values, inference=make_inference(inferer=asked))))
    network = NearDense()
    model.computing.networks["marker"] = network
    return model, network


def test_a_side_that_is_whole_is_whole_in_smaller_windows_too(tmp_path: Path) -> None:
    model, network = make_model(tmp_path / "b", roi_size=[16, 16, -1])
    volume = make_volume((14, 21, 32), [((9, 6, 24), 2)])
    expected = model.read(volume)
    assert network.windows == {(16, 16, 14)}
    model.run_under(Conditions(window_share=0.25))
    assert model.read(volume) == expected
    assert network.windows == {(16, 16, 14), (10, 10, 8)}


def test_what_a_window_is_padded_with_is_the_same_in_smaller_windows(tmp_path: Path) -> None:
    model, _ = make_model(tmp_path / "b", cval=500.0)
    narrow = make_volume((14, 21, 4), [])
    expected = model.read(narrow)
    assert expected.score == 1.0  # what it is padded with is dense
    model.run_under(Conditions(window_share=0.25))
    assert model.read(narrow) == expected


@pytest.mark.parametrize("name", ["sw_device", "device"])
def test_windows_are_where_the_networks_are_wherever_the_bundle_wants_them(name: str, tmp_path: Path) -> None:
    model, _ = make_model(tmp_path / "b", **{name: "meta"})
    assert model.read(make_volume((14, 21, 32), [((9, 6, 24), 2)])).score == 1.0
