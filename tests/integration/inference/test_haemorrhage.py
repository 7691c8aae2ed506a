"""The weights that ship: on phantoms, on real scans where they are, and what becomes of files that are not theirs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from inference.builtin.haemorrhage import Haemorrhage
from inference.builtin.shipped import FOLDER
from inference.scope import OutOfScopeError, ScopeCode
from inference.training.ich.evaluating import FIGURES, evaluate, seen_again
from inference.training.ich.shipping import MOST_BYTES, WEIGHTS
from inference.volume import Volume
from voorrang.demo.phantoms.canvas import Phantom
from voorrang.demo.phantoms.chest import make_chest
from voorrang.demo.phantoms.head import Bleed, make_head
from voorrang.errors import ConfigurationError

pytestmark = pytest.mark.integration

BUNDLE = FOLDER / "ich"
DATA = Path(os.environ.get("VOORRANG_TEST_DATA", Path(__file__).resolve().parents[3].parent / "shared" / "data"))
CARD_PATIENTS = (50, 66, 73)  # 92 slices: what a run of all tests has time for


needs_weights = pytest.mark.skipif(
    not (BUNDLE / FIGURES).is_file(),
    reason="weights and figures of ich do not ship yet: run inference.training.ich train",
)


@pytest.fixture(scope="module")
def model() -> Haemorrhage:
    return Haemorrhage()


def test_without_weights_it_does_not_start(tmp_path: Path) -> None:
    folder = tmp_path / "ich"
    shutil.copytree(BUNDLE / "configs", folder / "configs")
    with pytest.raises(ConfigurationError, match="no weights: the model does not start"):
        Haemorrhage(folder)


def as_volume(phantom: Phantom) -> Volume:
    grid = phantom.grid
    z, y, x = grid.spacing_mm
    return Volume(
        phantom.voxels_hu.astype(np.float32),
        grid.origin_mm,
        (0.0, 0.0, z),
        (0.0, y, 0.0),
        (x, 0.0, 0.0),
    )


@needs_weights
def test_a_bleed_that_was_put_in_scores_above_the_same_head_without(model: Haemorrhage) -> None:
    without = model.read(as_volume(make_head(5)))
    with_bleed = model.read(as_volume(make_head(5, Bleed())))
    assert with_bleed.score > without.score + 0.1
    assert without.score < model.operating_point
    assert not [each for each in without.findings if each.score >= model.operating_point]


@needs_weights
def test_the_box_holds_the_bleed(model: Haemorrhage) -> None:
    bleed = Bleed()
    (finding,) = model.read(as_volume(make_head(5, bleed))).findings
    assert finding.box_mm is not None
    low, high = np.sort(np.array(finding.box_mm), axis=0)
    assert (low[:2] <= bleed.position_mm[:2]).all()
    assert (high[:2] >= bleed.position_mm[:2]).all()
    assert abs(finding.position_mm[2] - bleed.position_mm[2]) < 15  # type: ignore[index]


@needs_weights
def test_how_the_array_lies_changes_nothing(model: Haemorrhage) -> None:
    upright = as_volume(make_head(5, Bleed()))
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


@needs_weights
def test_a_chest_is_no_head(model: Haemorrhage) -> None:
    with pytest.raises(OutOfScopeError) as refused:
        model.read(as_volume(make_chest(1)))
    assert [reason.code for reason in refused.value.reasons] == [ScopeCode.ANATOMY]


@needs_weights
def test_air_is_no_head(model: Haemorrhage) -> None:
    air = Volume(np.full((5, 64, 64), -1000, np.float32), (0, 0, 0), (0, 0, 5), (0, 1, 0), (1, 0, 0))
    with pytest.raises(OutOfScopeError, match="A head is found in 0 of 5"):
        model.read(air)


@needs_weights
def test_three_copies_of_one_noisy_slice_are_scored(model: Haemorrhage) -> None:
    """Brain window only, without bone or air values, as a picture from elsewhere gives."""
    whole = as_volume(make_head(5, Bleed()))
    k = int(np.argmin(np.abs(whole.origin_mm[2] + 5.0 * np.arange(len(whole.voxels_hu)) - 18.0)))
    noise = np.random.default_rng(1).normal(0, 2, (3, *whole.voxels_hu.shape[1:]))
    slices = (np.clip(whole.voxels_hu[k], 0, 80)[None] + noise).astype(np.float32)
    found = model.read(Volume(slices, (0, 0, 0), (0, 0, 5), (0, 0.9, 0), (0.9, 0, 0)))
    assert 0 < found.score < 1


@needs_weights
def test_weights_of_others_do_not_start(tmp_path: Path) -> None:
    folder = tmp_path / "ich"
    shutil.copytree(BUNDLE, folder)
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"models/ich.pt: SHA-256 is"):
        Haemorrhage(folder)


@needs_weights
def test_weights_travel_in_less_than_ten_megabytes() -> None:
    assert (BUNDLE / WEIGHTS).stat().st_size < MOST_BYTES


@needs_weights
def test_the_shipped_weights_give_what_the_card_says() -> None:
    data = DATA / "head-ich-jpeg"
    if not data.is_dir():
        pytest.skip("head-ich-jpeg is not in VOORRANG_TEST_DATA or ../shared/data")
    found = evaluate(data, BUNDLE, CARD_PATIENTS)
    kept = json.loads((BUNDLE / FIGURES).read_text())
    assert found.weights_digest == kept["shipped_on_training_patients"]["weights_digest"]
    assert seen_again(found, BUNDLE)
