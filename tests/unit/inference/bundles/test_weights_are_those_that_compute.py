"""A detector computes with the weights of the bundle's files, or the model does not start: random ones find nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inference.bundles.folder import known_contract, read_bundle
from inference.bundles.model import BundleModel
from inference.bundles.problems import BundleError
from tests.unit.inference.bundles.published import make_inference, make_published_bundle
from tests.unit.inference.bundles.small import Denser, save_script


def with_contract(folder: Path, **changed: Any) -> Path:
    """Write our contract for the published bundle into it, with other values for some keys."""
    text = known_contract(folder)
    assert text is not None
    (folder / "configs" / "voorrang.json").write_text(json.dumps(json.loads(text) | changed))
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        BundleModel(read_bundle(folder))
    return str(caught.value)


def test_torchscript_that_no_detector_computes_with_is_refused(tmp_path: Path) -> None:
    folder = with_contract(make_published_bundle(tmp_path / "b"), networks={"network": "models/model.ts"})
    save_script(Denser(0), folder / "models" / "model.ts")
    said = refusal(folder)
    assert said.startswith("configs/voorrang.json: networks: detector of configs/inference.json has ")
    assert " of them weights that no file fills" in said
    assert "; name the id of its network, with a state dict (.pt)" in said


def test_detector_with_a_network_of_its_own_is_refused(tmp_path: Path) -> None:
    inference = make_inference()
    inference["another_def"] = inference["network_def"]
    inference["detector"]["network"] = "$@another_def.to(@device)"
    folder = with_contract(make_published_bundle(tmp_path / "b", inference=inference))
    assert refusal(folder).startswith("configs/voorrang.json: networks: detector of configs/inference.json has ")


def test_detector_that_refers_to_the_network_by_another_id_is_taken(tmp_path: Path) -> None:
    folder = with_contract(make_published_bundle(tmp_path / "b"), networks={"network_def": "models/model.pt"})
    model = BundleModel(read_bundle(folder))
    assert list(model.computing.networks) == ["network_def"]
