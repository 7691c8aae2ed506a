"""A bundle that tries to run Python of its own: refused where it would be reached, never run where it would not."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from inference.bundles.folder import read_bundle
from inference.bundles.model import BundleModel
from inference.bundles.problems import BundleError
from tests.unit.inference.bundles.small import make_bundle, make_inference, make_values

STATE_DICT = {"networks": {"marker": "models/marker.pt"}}
CONV = {"_target_": "torch.nn.Conv3d", "in_channels": 1, "out_channels": 1, "kernel_size": 1}


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def with_state_dict(folder: Path, values: Any, marker: Any = CONV) -> Path:
    contract = make_values(**STATE_DICT)
    make_bundle(folder, contract=contract, inference=make_inference(marker=marker))
    torch.save(values, folder / "models" / "marker.pt")
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        BundleModel(read_bundle(folder))
    return str(caught.value)


def test_what_is_not_reached_never_runs(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    unreached = {
        "imports": ["$import os", f"$__import__('pathlib').Path({str(trace)!r}).touch()"],
        "initialize": f"$__import__('pathlib').Path({str(trace)!r}).touch()",
        "evaluator": {"_target_": "scripts.evaluator.Evaluator", "_requires_": "@initialize"},
        "run": "$@evaluator.run()",
    }
    folder = make_bundle(tmp_path / "b", inference=make_inference(**unreached))
    (folder / "scripts").mkdir()
    (folder / "scripts" / "__init__.py").write_text(f"import pathlib; pathlib.Path({str(trace)!r}).touch()")
    BundleModel(read_bundle(folder))
    assert not trace.exists()


@pytest.mark.parametrize("place", ["target", "expression", "reference", "override", "nested"])
def test_what_is_reached_is_refused_before_anything_is_built(place: str, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    touch = f"$torch.os.system('touch {trace}')"
    lambdad: dict[str, Any] = {"_target_": "Lambdad", "keys": "image", "func": "@it"}
    ids: dict[str, Any] = {"it": touch}
    overrides: dict[str, Any] = {}
    if place == "target":
        ids = {"it": {"_target_": "torch.os.system", "command": f"touch {trace}"}}
    elif place == "expression":
        lambdad["func"] = touch
    elif place == "override":
        ids, overrides = {"it": 1}, {"it": touch}
    elif place == "nested":
        ids = {"it": [{"a": {"b": touch}}]}
        lambdad["func"] = "@it::0::a"
    contract = make_values(overrides=overrides)
    folder = make_bundle(tmp_path / "b", contract=contract, inference=make_inference(lambdad, **ids))
    assert "torch.os.system is not called" in refusal(folder)
    assert not trace.exists()


def test_pickle_in_the_weights_is_refused_and_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    folder = with_state_dict(tmp_path / "b", {"weight": Touch(trace)})
    assert refusal(folder).startswith("models/marker.pt: no weights that load without running code of the file; save")
    (folder / "models" / "marker.pt").write_bytes(pickle.dumps(Touch(trace)))
    assert refusal(folder).startswith("models/marker.pt: no weights that load without running code of the file; save")
    assert not trace.exists()


def test_whole_network_in_place_of_its_weights_is_refused(tmp_path: Path) -> None:
    folder = with_state_dict(tmp_path / "b", nn.Conv3d(1, 1, 1))
    assert "no weights that load without running code" in refusal(folder)


@pytest.mark.parametrize("wrapping", ["", "model", "state_dict"])
def test_weights_fill_the_network(wrapping: str, tmp_path: Path) -> None:
    values: Any = {"weight": torch.full((1, 1, 1, 1, 1), 2.0), "bias": torch.tensor([0.5])}
    folder = with_state_dict(tmp_path / "b", {wrapping: values} if wrapping else values)
    network = BundleModel(read_bundle(folder)).computing.networks["marker"]
    assert float(network(torch.ones(1, 1, 1, 1, 1))) == 2.5
    assert not network.training


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"weight": torch.zeros(1, 1, 1, 1, 1)},
            "1 of its weights do not fit marker of configs/inference.json: bias is mis",
        ),
        ({"weight": torch.zeros(1, 1, 1, 1, 1), "bias": torch.zeros(1), "x": torch.zeros(1)}, "x is too much"),
        (
            {"weight": torch.zeros(2, 1, 1, 1, 1), "bias": torch.zeros(1)},
            "weight is (2, 1, 1, 1, 1) and not (1, 1, 1, 1",
        ),
        ({"weight": "zeros"}, "a dict and no state dict"),
        ([torch.zeros(1)], "a list and no state dict"),
    ],
)
def test_weights_of_another_network_are_refused(values: Any, text: str, tmp_path: Path) -> None:
    assert text in refusal(with_state_dict(tmp_path / "b", values))


def test_state_dict_for_what_is_no_network_is_refused(tmp_path: Path) -> None:
    folder = with_state_dict(tmp_path / "b", {}, marker={"_target_": "monai.inferers.SimpleInferer"})
    assert "configs/inference.json: marker: is a SimpleInferer, no network" in refusal(folder)


def test_file_that_is_no_torchscript_is_refused(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "b")
    (folder / "models" / "marker.ts").write_bytes(b"not a zip")
    assert refusal(folder) == "models/marker.ts: no TorchScript; save the network with torch.jit.save"


def test_contract_is_plain_data(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "b")
    text = (folder / "configs" / "voorrang.json").read_text()
    assert json.loads(text) == make_values()
