"""Marked voxels become findings at the right place: tilted, anisotropic, turned, cropped, padded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inference.bundles.classifying import cut_patch
from inference.bundles.computing import NotFiniteError, as_float32
from inference.bundles.contract import Classifier
from inference.bundles.folder import read_bundle
from inference.bundles.model import BundleModel
from inference.model import LocatedFinding
from inference.running.conditions import Adaptable, Conditions
from inference.scope import OutOfScopeError, ScopeCode
from inference.volume import Volume
from tests.unit.inference.bundles.small import make_bundle, make_inference, make_values, make_volume
from tests.unit.inference.chests import make_chest
from voorrang.dicom.headers import Vector

LPS = {"_target_": "Orientationd", "keys": "image", "axcodes": "LPS"}
RAS = {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"}


def make_model(folder: Path, *transforms: dict[str, Any], middle: int = 0, **reading: Any) -> BundleModel:
    """Make a model that marks what is denser than 0 HU."""
    segmenter = {"network": "marker", **reading.pop("segmenter", {})}
    crop = reading.pop("crop", None)
    values = make_values(reading={"kind": "candidates", "segmenter": segmenter, **reading}, crop=crop)
    if "classifier" in reading:
        values["networks"]["judge"] = "models/judge.ts"
    make_bundle(folder, contract=values, inference=make_inference(*transforms), middle=middle)
    return BundleModel(read_bundle(folder))


def corner_indices(volume: Volume, finding: LocatedFinding) -> tuple[Vector, Vector]:
    """Return the corners of a finding's box as (slice, row, column) of the volume, the lower first."""
    assert finding.box_mm is not None
    steps = np.array([volume.slice_step_mm, volume.row_step_mm, volume.column_step_mm])
    corners = (np.array(finding.box_mm) - volume.origin_mm) @ np.linalg.inv(steps)
    return tuple(corners.min(axis=0)), tuple(corners.max(axis=0))


TILTED = {"slice_step_mm": (0.0, -1.0, 2.8), "row_step_mm": (0.0, 0.85, 0.3), "column_step_mm": (0.55, 0.0, 0.0)}
PRONE = {"slice_step_mm": (0.0, 0.0, 2.5), "row_step_mm": (0.0, -0.8, 0.0), "column_step_mm": (-0.7, 0.0, 0.0)}
SIDE = {"slice_step_mm": (-1.5, 0.0, 0.0), "row_step_mm": (0.0, 0.0, 0.9), "column_step_mm": (0.0, 0.7, 0.0)}


@pytest.mark.parametrize("transforms", [(), (LPS,), (RAS,)], ids=["as it is", "LPS", "RAS"])
@pytest.mark.parametrize("steps", [{}, TILTED, PRONE, SIDE], ids=["axial", "tilted", "prone", "sagittal"])
def test_finding_and_its_box_lie_on_the_pixels_of_the_lesion(
    steps: dict[str, Vector], transforms: tuple[dict[str, Any], ...], tmp_path: Path
) -> None:
    volume = make_volume((14, 21, 32), [((9, 6, 24), 2)], **steps)
    (finding,) = make_model(tmp_path / "b", *transforms).read(volume).findings
    assert finding.position_mm == pytest.approx(volume.to_patient_mm((9, 6, 24)), abs=1e-3)
    low, high = corner_indices(volume, finding)
    assert low == pytest.approx((6.5, 3.5, 21.5), abs=1e-3)
    assert high == pytest.approx((11.5, 8.5, 26.5), abs=1e-3)
    assert (finding.type, finding.score) == ("dense_spot", 1.0)


def test_diameter_is_that_of_the_ball_of_its_volume(tmp_path: Path) -> None:
    volume = make_volume((14, 21, 32), [((9, 6, 24), 2)])
    (finding,) = make_model(tmp_path / "b").read(volume).findings
    assert finding.diameter_mm == 7.0  # 125 voxels of 0.6 x 0.8 x 3 mm are 180 mm3: (6 * 180 / pi) ** (1 / 3) = 7.005


def test_resampled_series_is_marked_within_half_a_voxel(tmp_path: Path) -> None:
    values = make_values(input={"spacing_mm": [0.5, 0.5, 1.0], "hu_range": [-1000, 1000]})
    resample = {"_target_": "Spacingd", "keys": "image", "pixdim": [0.5, 0.5, 1.0]}
    folder = make_bundle(tmp_path / "b", contract=values, inference=make_inference(RAS, resample))
    volume = make_volume((20, 31, 42), [((9, 16, 24), 3)])
    (finding,) = BundleModel(read_bundle(folder)).read(volume).findings
    assert finding.position_mm == pytest.approx(volume.to_patient_mm((9, 16, 24)), abs=0.25)


@pytest.mark.parametrize(
    ("dense", "channel", "marked"),
    [(2, 0, [4]), (2, 1, [3]), (2, 2, [2]), (2, 4, [0]), (0, 0, [0, 1, 2]), (4, 4, [2, 3, 4]), (0, 2, [0])],
)
def test_slices_come_with_their_neighbours_and_those_at_the_ends_are_repeated(
    dense: int, channel: int, marked: list[int], tmp_path: Path
) -> None:
    volume = make_volume((5, 8, 8), [])
    volume.voxels_hu[dense, 4, 4] = 100.0
    model = make_model(tmp_path / "b", middle=channel, segmenter={"slices": 5, "divisible": 4})
    (finding,) = model.read(volume).findings
    low, high = corner_indices(volume, finding)
    assert (low[0] + 0.5, high[0] - 0.5) == pytest.approx((marked[0], marked[-1]))


@pytest.mark.parametrize("segmenter", [{"slices": 1, "divisible": 16}, {"divisible": 16}, {"axes": "zyx"}])
def test_padding_and_the_order_of_axes_move_nothing(segmenter: dict[str, Any], tmp_path: Path) -> None:
    volume = make_volume((9, 13, 18), [((7, 11, 16), 1)])
    (finding,) = make_model(tmp_path / "b", segmenter=segmenter).read(volume).findings
    assert finding.position_mm == pytest.approx(volume.to_patient_mm((7, 11, 16)), abs=1e-4)


def test_specks_that_erosion_takes_are_gone_and_what_stays_keeps_its_size(tmp_path: Path) -> None:
    volume = make_volume((14, 21, 32), [((9, 6, 24), 2), ((3, 15, 5), 0)])
    plain = make_model(tmp_path / "a").read(volume).findings
    eroded = make_model(tmp_path / "b", erode=1).read(volume).findings
    assert len(plain) == 2
    assert eroded == plain[:1] or eroded == plain[1:]
    assert make_model(tmp_path / "c", min_voxels=2).read(volume).findings == eroded


def test_classifier_scores_the_voxels_around_each_candidate(tmp_path: Path) -> None:
    volume = make_volume((20, 31, 42), [((9, 6, 24), 2), ((14, 20, 8), 1)])
    classifier = {"network": "judge", "patch": [5, 5, 5], "axes": "zyx", "channel": 1}
    opinion = make_model(tmp_path / "b", classifier=classifier).read(volume)
    assert [finding.score for finding in opinion.findings] == pytest.approx([1.0, 27 / 125])
    assert opinion.score == pytest.approx(1.0)
    assert opinion.findings[0].position_mm == pytest.approx(volume.to_patient_mm((9, 6, 24)), abs=1e-4)


def test_patch_near_an_edge_is_moved_inwards_and_one_larger_than_the_image_is_filled() -> None:
    voxels = torch.arange(6.0 * 5 * 4).reshape(6, 5, 4)
    asked = Classifier(network="judge", patch=(2, 3, 4), axes="zyx")
    patch = cut_patch(voxels, np.array([5.9, 0.0, 3.9]), asked)
    assert patch.shape == (1, 2, 3, 4)
    assert torch.equal(patch[0], voxels[2:6, 0:3, 2:4].permute(2, 1, 0))
    larger = cut_patch(voxels, np.array([3, 2, 2]), Classifier(network="judge", patch=(8, 5, 4)))
    assert torch.equal(larger[0, :6], voxels)
    assert (larger[0, 6:] == 0).all()


def test_crop_to_the_lungs_changes_no_place_and_leaves_out_what_is_far_from_them(tmp_path: Path) -> None:
    chest = make_chest(nodules=[((-70.0, 0.0, 30.0), 26.0)], spacing_mm=(4.0, 3.0, 3.0), noise_hu=0.0)
    near = make_model(tmp_path / "a", erode=1, min_voxels=20, near_lungs_mm=6, crop="lungs").read(chest).findings
    whole = make_model(tmp_path / "b", erode=1, min_voxels=20).read(chest).findings
    assert [f for f in near if np.linalg.norm(np.subtract(f.position_mm or 0, (-70, 0, 30))) < 5]
    places = {finding.position_mm for finding in whole}
    assert any(finding.position_mm in places for finding in near)


def test_chest_without_lungs_is_out_of_scope(tmp_path: Path) -> None:
    model = make_model(tmp_path / "b", crop="lungs")
    with pytest.raises(OutOfScopeError) as caught:
        model.read(make_volume((30, 40, 40), []))
    assert caught.value.reasons[0].code is ScopeCode.ANATOMY


def test_only_the_highest_scores_are_kept(tmp_path: Path) -> None:
    values = make_values(max_findings=1)
    volume = make_volume((14, 21, 32), [((9, 6, 24), 2), ((3, 15, 5), 0)])
    model = BundleModel(read_bundle(make_bundle(tmp_path / "b", contract=values)))
    assert len(model.read(volume).findings) == 1


def test_nothing_marked_is_a_score_of_0_and_no_finding(tmp_path: Path) -> None:
    opinion = make_model(tmp_path / "b").read(make_volume((5, 8, 8), []))
    assert (opinion.score, opinion.findings) == (0.0, ())


@pytest.mark.parametrize("conditions", [Conditions(precision="bfloat16"), Conditions(window_share=0.25)])
def test_other_conditions_find_the_same(conditions: Conditions, tmp_path: Path) -> None:
    volume = make_volume((14, 21, 32), [((9, 6, 24), 2)])
    inferer = {"_target_": "SlidingWindowInferer", "roi_size": [16, 16, 8], "overlap": 0.25}
    values = make_values(reading={"kind": "candidates", "segmenter": {"network": "marker", "inferer": "inferer"}})
    folder = make_bundle(tmp_path / "b", contract=values, inference=make_inference(inferer=inferer))
    model = BundleModel(read_bundle(folder))
    expected = model.read(volume)
    assert isinstance(model, Adaptable)
    model.run_under(conditions)
    assert model.read(volume) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_output_that_is_no_number_is_an_error_and_never_negative(value: float) -> None:
    with pytest.raises(NotFiniteError):
        as_float32({"cls": [torch.tensor([0.0, value])]})
