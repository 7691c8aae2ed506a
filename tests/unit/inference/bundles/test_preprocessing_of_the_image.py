"""Preprocessing reaches the image that the network takes, and leaves its place in the patient known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inference.bundles.folder import read_bundle
from inference.bundles.image import PlaceLostError
from inference.bundles.model import BundleModel
from inference.bundles.problems import BundleError
from tests.unit.inference.bundles.small import make_bundle, make_inference, make_values, make_volume

RESAMPLE = {"_target_": "Spacingd", "keys": "image", "pixdim": [1, 1, 2]}
SPACED = make_values(input={"spacing_mm": [1, 1, 2], "hu_range": [-1000, 1000]})


def for_another_key(inference: dict[str, Any], place: int) -> dict[str, Any]:
    inference["preprocessing"]["transforms"][place] |= {"keys": ["img"], "allow_missing_keys": True}
    return inference


@pytest.mark.parametrize(
    ("inference", "contract", "name"),
    [
        (for_another_key(make_inference(), 0), make_values(), "ScaleIntensityRanged"),
        (for_another_key(make_inference(RESAMPLE), 0), SPACED, "Spacingd"),
    ],
    ids=["intensities", "spacing"],
)
def test_transform_that_passes_the_image_by_is_refused(
    inference: dict[str, Any], contract: dict[str, Any], name: str, tmp_path: Path
) -> None:
    folder = make_bundle(tmp_path / "b", inference=inference, contract=contract)
    with pytest.raises(BundleError) as caught:
        BundleModel(read_bundle(folder))
    assert str(caught.value) == (
        f"configs/inference.json: preprocessing: {name} takes img, and the input of configs/metadata.json is image; "
        "name the same key in both"
    )


def test_axes_that_change_places_without_a_trace_are_refused(tmp_path: Path) -> None:
    turned = make_inference({"_target_": "Transposed", "keys": "image", "indices": [0, 2, 1, 3]})
    with pytest.raises(BundleError) as caught:
        BundleModel(read_bundle(make_bundle(tmp_path / "b", inference=turned)))
    assert str(caught.value).startswith("configs/inference.json: preprocessing: Transposed moves voxels and not their")


@pytest.mark.parametrize(
    "transform",
    [
        {"_target_": "ToNumpyd", "keys": "image"},
        {"_target_": "ToTensord", "keys": "image", "track_meta": False},
        {"_target_": "EnsureTyped", "keys": "image", "track_meta": False},
    ],
    ids=lambda transform: str(transform["_target_"]),
)
@pytest.mark.parametrize("is_last", [False, True])
def test_place_that_a_transform_throws_away_is_an_error_and_never_a_wrong_place(
    transform: dict[str, Any], is_last: bool, tmp_path: Path
) -> None:
    inference = make_inference(transform)
    if is_last:
        inference["preprocessing"]["transforms"].reverse()
    model = BundleModel(read_bundle(make_bundle(tmp_path / "b", inference=inference)))
    with pytest.raises(PlaceLostError):
        model.read(make_volume((14, 21, 32), [((9, 6, 24), 2)]))
