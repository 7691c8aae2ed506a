"""The weights that ship: on phantoms, on real scans where they are, and what becomes of files that are not theirs."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.builtin.cards import FIGURES, FOLDER
from inference.builtin.haemorrhage import Haemorrhage
from inference.model import Opinion
from inference.run_folder import run_folder
from inference.scope import OutOfScopeError, ScopeCode
from inference.training.ich.evaluating import Found, evaluate, seen_again
from inference.training.ich.phantoms import BLEED, unseen_phantom
from inference.training.ich.phantoms import volume_of as as_volume
from inference.training.ich.shipping import WEIGHTS
from inference.training.ich.small_bleeds import SmallBleed
from inference.training.shipping import MOST_BYTES
from inference.volume import Volume
from tests.unit.inference.instances import as_file, make_instance
from voorrang.demo.phantoms.chest import make_chest
from voorrang.errors import ConfigurationError

pytestmark = pytest.mark.integration

BUNDLE = FOLDER / "ich"
DATA = Path(os.environ.get("VOORRANG_TEST_DATA", Path(__file__).resolve().parents[3].parent / "shared" / "data"))
# What a run of all tests has time for.
CARD_PATIENT = 66
CARD_SEED = 5
CARD_BLEED = SmallBleed(2, 12.0, 60.0)
MARGIN = 0.1


@pytest.fixture(scope="module")
def model() -> Haemorrhage:
    return Haemorrhage()


def test_without_weights_it_does_not_start(tmp_path: Path) -> None:
    folder = tmp_path / "ich"
    shutil.copytree(BUNDLE / "configs", folder / "configs")
    with pytest.raises(ConfigurationError, match="no weights: the model does not start"):
        Haemorrhage(folder)


@pytest.fixture(scope="module")
def without(model: Haemorrhage) -> Opinion:
    return model.read(unseen_phantom(CARD_SEED, None))


@pytest.fixture(scope="module")
def bleeding() -> Volume:
    return unseen_phantom(CARD_SEED, BLEED)


@pytest.fixture(scope="module")
def with_bleed(model: Haemorrhage, bleeding: Volume) -> Opinion:
    return model.read(bleeding)


def test_a_bleed_that_was_put_in_is_flagged_and_the_same_head_without_is_not(
    model: Haemorrhage, without: Opinion, with_bleed: Opinion
) -> None:
    assert with_bleed.score > model.operating_point + MARGIN
    assert without.score < model.operating_point - MARGIN
    assert not [each for each in without.findings if each.score >= model.operating_point]


def test_the_box_holds_the_bleed(with_bleed: Opinion) -> None:
    bleed = BLEED
    (finding,) = with_bleed.findings
    assert finding.box_mm is not None
    low, high = np.sort(np.array(finding.box_mm), axis=0)
    assert (low[:2] <= bleed.position_mm[:2]).all()
    assert (high[:2] >= bleed.position_mm[:2]).all()
    assert abs(finding.position_mm[2] - bleed.position_mm[2]) < 15  # type: ignore[index]


def test_how_the_array_lies_changes_nothing(model: Haemorrhage, bleeding: Volume) -> None:
    upright = replace(bleeding, voxels_hu=bleeding.voxels_hu[12:20], origin_mm=bleeding.to_patient_mm((12, 0, 0)))
    turned = Volume(
        np.ascontiguousarray(upright.voxels_hu[::-1, ::-1].swapaxes(1, 2)),
        upright.to_patient_mm((len(upright.voxels_hu) - 1, upright.voxels_hu.shape[1] - 1, 0)),
        (0.0, 0.0, -upright.spacing_mm[0]),
        (upright.spacing_mm[2], 0.0, 0.0),
        (0.0, -upright.spacing_mm[1], 0.0),
    )
    one, other = model.read(upright), model.read(turned)
    assert other.score == pytest.approx(one.score, abs=1e-4)
    assert other.findings[0].position_mm == pytest.approx(one.findings[0].position_mm, abs=0.5)
    boxes = [np.array(each.findings[0].box_mm) for each in (other, one)]
    assert np.sort(boxes[0], axis=0) == pytest.approx(np.sort(boxes[1], axis=0), abs=0.5)


def test_a_chest_is_no_head(model: Haemorrhage) -> None:
    chest = as_volume(make_chest(1))
    with pytest.raises(OutOfScopeError) as refused:
        model.read(replace(chest, voxels_hu=chest.voxels_hu[::4], slice_step_mm=(0.0, 0.0, 4 * chest.spacing_mm[0])))
    assert [reason.code for reason in refused.value.reasons] == [ScopeCode.ANATOMY]


def test_a_bundle_that_is_read_otherwise_does_not_start() -> None:
    with pytest.raises(ConfigurationError, match="lung_candidates is read by another model"):
        Haemorrhage(FOLDER / "lung-nodule")


def test_air_is_no_head(model: Haemorrhage) -> None:
    air = Volume(np.full((5, 64, 64), -1000, np.float32), (0, 0, 0), (0, 0, 5), (0, 1, 0), (1, 0, 0))
    with pytest.raises(OutOfScopeError, match="A head is found in 0 of 5"):
        model.read(air)


def test_copies_of_one_slice_of_a_picture_are_scored_from_files_that_say_little(
    model: Haemorrhage, bleeding: Volume, tmp_path: Path
) -> None:
    """A brain window turned back into HU, without bone or air, repeated with noise, under the fewest elements."""
    picture = np.clip(bleeding.voxels_hu[int(bleeding.to_index((0.0, 0.0, 18.0))[0])], 0, 80)
    for k in range(5):
        noisy = picture + np.random.default_rng(k).normal(0, 2, picture.shape)
        stored = np.rint(noisy + 1024).astype(np.uint16)
        instance = make_instance(stored, number=k + 1, position_mm=(0.0, 0.0, 3.0 * k), pixel_spacing_mm=(0.9, 0.9))
        (tmp_path / f"{k}.dcm").write_bytes(as_file(instance))
    (line,) = run_folder(model, tmp_path)
    assert line["state"] == "scored", line["reason"]
    assert 0 < line["score"] < 1


def test_weights_of_others_do_not_start(tmp_path: Path) -> None:
    folder = tmp_path / "ich"
    shutil.copytree(BUNDLE, folder)
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"models/ich.pt: SHA-256 is"):
        Haemorrhage(folder)


def test_weights_travel_in_less_than_ten_megabytes() -> None:
    assert (BUNDLE / WEIGHTS).stat().st_size < MOST_BYTES


def test_the_shipped_weights_give_what_the_card_says_of_phantoms(
    model: Haemorrhage, without: Opinion, with_bleed: Opinion
) -> None:
    phantoms = {str(CARD_SEED): (without.score, with_bleed.score)}
    small_bleeds = {CARD_BLEED.name: model.read(CARD_BLEED.volume()).score}
    assert seen_again(Found(model.weights_digest, {}, float("nan"), phantoms, small_bleeds), BUNDLE)


def test_the_shipped_weights_give_what_the_card_says_of_patients() -> None:
    data = DATA / "head-ich-jpeg"
    if not data.is_dir():
        pytest.skip("head-ich-jpeg is not in VOORRANG_TEST_DATA or ../shared/data")
    assert seen_again(evaluate(data, BUNDLE, [CARD_PATIENT], seeds=(), small_bleeds=()), BUNDLE)


@pytest.mark.parametrize(
    "other",
    [
        {"weights_digest": "0" * 64},
        {"phantoms": {"0": (0.5, 0.5)}},
        {"scores": {"50": 2.0}},
        {"small_bleeds": {CARD_BLEED.name: 2.0}},
    ],
)
def test_other_weights_or_scores_are_not_those_of_the_card(other: dict[str, Any]) -> None:
    kept = json.loads((BUNDLE / FIGURES).read_text())["shipped"]
    same = Found(kept["weights_digest"], kept["scores"], 1.0, kept["phantoms"], kept["small_bleeds"])
    assert seen_again(same, BUNDLE)
    assert not seen_again(replace(same, **other), BUNDLE)


def test_the_head_with_an_infarct_is_out_of_scope_by_its_slices(model: Haemorrhage) -> None:
    folder = DATA / "head-ge-infarct"
    if not folder.is_dir():
        pytest.skip("head-ge-infarct is not in VOORRANG_TEST_DATA or ../shared/data")
    (line,) = run_folder(model, folder)
    assert line["state"] == "out_of_scope"
    assert "apart" in line["reason"]
