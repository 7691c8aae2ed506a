"""Each way in which a bundle breaks its own words is one line with file, key and remedy."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from inference.bundles.folder import known_contract, read_bundle
from inference.bundles.model import BundleModel
from inference.bundles.problems import BundleError
from tests.unit.inference.bundles.small import make_bundle, make_inference, make_metadata, make_values

SEGMENTER = {"network": "marker"}


def problems(folder: Path) -> list[str]:
    """Load a bundle that must be refused; return the lines."""
    with pytest.raises(BundleError) as caught:
        BundleModel(read_bundle(folder))
    return str(caught.value).splitlines()


def with_image(**changed: Any) -> dict[str, Any]:
    values = make_metadata()
    values["network_data_format"]["inputs"]["image"].update(changed)
    return values


def reading(**changed: Any) -> dict[str, Any]:
    return {"kind": "candidates", "segmenter": SEGMENTER, **changed}


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"scope": {"region": "knee"}}, "configs/voorrang.json: scope.region: "),
        ({"scope": {}}, "configs/voorrang.json: scope.region: Field required; add this key"),
        ({"influence": "rank"}, "configs/voorrang.json: influence: Extra inputs are not permitted (got"),
        ({"model": "No Name"}, "configs/voorrang.json: model: "),
        ({"labels": {}}, "configs/voorrang.json: labels: "),
        ({"labels": {"1": "spot"}}, "configs/voorrang.json: labels: labels [1] leave a number out; number them from 0"),
        ({"operating_points": []}, "configs/voorrang.json: operating_points: "),
        ({"operating_points": [{"score": 1.5}]}, "configs/voorrang.json: operating_points.0.score: "),
        ({"networks": {"marker": "../marker.ts"}}, "configs/voorrang.json: networks.marker: "),
        ({"networks": {"marker": "models/marker.pkl"}}, "configs/voorrang.json: networks.marker: "),
        ({"input": {"spacing_mm": None, "hu_range": [300, -1024]}}, "configs/voorrang.json: input: hu_range: "),
        ({"input": {"hu_range": [-1000, 1000]}}, "configs/voorrang.json: input.spacing_mm: Field required; add"),
        (
            {"overrides": {"whether_raw": True}},
            "configs/voorrang.json: overrides.whether_raw: configs/inference.json has",
        ),
        ({"scope": {"region": "chest", "modality": "MR"}}, "configs/voorrang.json: scope.modality: MR is asked, and"),
        (
            {"reading": reading(segmenter={"network": "other"})},
            "configs/voorrang.json: reading asks for network 'other'",
        ),
        (
            {"reading": reading(segmenter=SEGMENTER | {"slices": 4})},
            "configs/voorrang.json: reading.candidates.segmenter",
        ),
        ({"reading": {"kind": "stars"}}, "configs/voorrang.json: reading: "),
        (
            {"input": {"spacing_mm": None, "hu_range": [-1024, 300]}},
            "configs/voorrang.json: input.hu_range: [-1024.0, 300.0], and configs/inference.json clips to [-1",
        ),
        (
            {"input": {"spacing_mm": [1, 1, 1], "hu_range": [-1000, 1000]}},
            "configs/voorrang.json: input.spacing_mm: [1.0, 1.0, 1.0], and configs/inference.json resamples to None;",
        ),
        ({"sha256": {"models/marker.ts": "0" * 64}}, "models/marker.ts: SHA-256 is "),
    ],
)
def test_contract_that_is_broken_is_one_line(changed: dict[str, Any], line: str, tmp_path: Path) -> None:
    found = problems(make_bundle(tmp_path / "b", contract=make_values(**changed)))
    assert len(found) == 1
    assert found[0].startswith(line)
    assert "; " in found[0]


@pytest.mark.parametrize(
    ("metadata", "line"),
    [
        (make_metadata(intended_use=""), "configs/metadata.json: intended_use: "),
        (make_metadata(version="a b"), "configs/metadata.json: version: "),
        (
            make_metadata(network_data_format={"inputs": {}, "outputs": {"pred": {}}}),
            "configs/metadata.json: network_dat",
        ),
        (with_image(num_channels=4), "configs/metadata.json: network_data_format.inputs.image.num_channels: "),
        (with_image(type="tabular"), "configs/metadata.json: network_data_format.inputs.image.type: "),
        (
            with_image(value_range=[0, 1]),
            "configs/metadata.json: network_data_format.inputs.image.value_range: [0.0, 1.0], and configs/inf",
        ),
    ],
)
def test_metadata_that_is_broken_is_one_line(metadata: dict[str, Any], line: str, tmp_path: Path) -> None:
    found = problems(make_bundle(tmp_path / "b", metadata=metadata))
    assert len(found) == 1
    assert found[0].startswith(line)


@pytest.mark.parametrize(
    ("inference", "line"),
    [
        ({}, "configs/inference.json: preprocessing: no Compose"),
        (
            {"preprocessing": {"_target_": "Compose", "transforms": []}},
            "configs/inference.json: preprocessing: 0 Scale",
        ),
        (
            make_inference({"_target_": "os.system", "command": "true"}),
            "configs/inference.json: preprocessing::transforms",
        ),
        (
            make_inference({"_target_": "Orientationd", "axes": 1}),
            "configs/inference.json: preprocessing: cannot be built",
        ),
        (
            make_inference({"_target_": "Lambdad", "func": "$print"}),
            "configs/inference.json: preprocessing::transforms::0",
        ),
        (make_inference({"_target_": "Lambdad", "func": "@nobody"}), "configs/inference.json: nobody: an @ names it"),
        (
            make_inference({"_target_": "Lambdad", "func": "%other.json"}),
            "configs/inference.json: preprocessing::trans",
        ),
        (
            make_inference({"_target_": "Orientationd", "keys": "image", "axcodes": "RAS", "_mode_": "debug"}),
            "configs/inference.json: preprocessing::transforms::0::_mode_: mode 'debug' is not run; remove this key",
        ),
    ],
)
def test_configuration_that_is_broken_is_one_line(inference: dict[str, Any], line: str, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "b")
    (folder / "configs" / "inference.json").write_text(json.dumps(inference))
    found = problems(folder)
    assert len(found) == 1
    assert found[0].startswith(line)


@pytest.mark.parametrize("file", ["configs/metadata.json", "configs/inference.json", "configs/voorrang.json"])
def test_file_that_is_missing_or_no_json_is_named(file: str, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "b")
    (folder / file).write_text('{"a": 1,\n "b" 2}')
    assert problems(folder)[0].startswith(f"{file}: line 2: not JSON")
    (folder / file).write_text("[]")
    assert problems(folder)[0].startswith(f"{file}: holds no JSON object")
    (folder / file).unlink()
    assert problems(folder)[0].startswith(f"{file}: not in ")


@pytest.mark.parametrize("content", [None, b""])
def test_model_without_weights_does_not_start_and_says_so(content: bytes | None, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "b")
    (folder / "models" / "marker.ts").unlink()
    if content is not None:
        (folder / "models" / "marker.ts").write_bytes(content)
    assert problems(folder) == [
        "models/marker.ts: no weights for network marker: the model does not start; put the file of its maker there"
    ]


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 83886080\n"


@pytest.mark.parametrize("content", [LFS, b"<!DOCTYPE html>", b"hello world", b"\x80\x02}q\x00."], ids=repr)
@pytest.mark.parametrize("suffix", ["pt", "ts"])
def test_file_that_holds_no_weights_is_one_line(suffix: str, content: bytes, tmp_path: Path) -> None:
    inference = make_inference(
        marker={"_target_": "torch.nn.Conv3d", "in_channels": 1, "out_channels": 1, "kernel_size": 1}
    )
    contract = make_values(networks={"marker": f"models/marker.{suffix}"})
    folder = make_bundle(tmp_path / "b", inference=inference, contract=contract)
    (folder / "models" / f"marker.{suffix}").write_bytes(content)
    (line,) = problems(folder)
    assert line.startswith(f"models/marker.{suffix}: ")


def test_weights_that_cannot_be_copied_into_the_network_are_one_line(tmp_path: Path) -> None:
    inference = make_inference(marker={"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 2})
    contract = make_values(networks={"marker": "models/marker.pt"})
    folder = make_bundle(tmp_path / "b", inference=inference, contract=contract)
    sparse = {"weight": torch.zeros(2, 2).to_sparse(), "bias": torch.zeros(2)}
    torch.save(sparse, folder / "models" / "marker.pt")
    assert problems(folder)[0].startswith("models/marker.pt: its weights cannot be taken over (RuntimeError); ")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": ' + "1" * 5000 + "}"], ids=["deep", "long"])
def test_json_that_no_reader_takes_is_one_line(text: str, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "b")
    (folder / "configs" / "metadata.json").write_text(text)
    (line,) = problems(folder)
    assert line.startswith("configs/metadata.json: cannot be read (")


def test_every_violation_is_told_at_once(tmp_path: Path) -> None:
    values = make_values(model="No", labels={}, surprise=1)
    assert len(problems(make_bundle(tmp_path / "b", contract=values))) == 3


def test_weights_digest_is_what_sha256sum_gives_over_its_own_list(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "b")
    bundle = read_bundle(folder)
    names = ["configs/inference.json", "configs/metadata.json", "configs/voorrang.json", "models/marker.ts"]
    listing = "".join(f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names)
    assert bundle.weights_digest == hashlib.sha256(listing.encode()).hexdigest()


@pytest.mark.parametrize("file", ["configs/inference.json", "configs/voorrang.json", "models/marker.ts"])
def test_another_configuration_is_another_digest(file: str, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "b")
    before = read_bundle(folder).weights_digest
    (folder / file).write_bytes((folder / file).read_bytes() + b"\n")
    assert read_bundle(folder).weights_digest != before


def test_bundle_of_an_unknown_task_has_no_contract_of_ours(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "b")
    (folder / "configs" / "voorrang.json").unlink()
    assert known_contract(folder) is None
