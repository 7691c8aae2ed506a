"""The weights of `lung-nodule` that ship: on phantoms, on real scans where they are, and files that are not theirs."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.builtin.cards import FIGURES, FOLDER, PAGE, card_of
from inference.builtin.nodule import LungNodule
from inference.reference.lung import ReferenceLung
from inference.run_folder import run_folder
from inference.scope import OutOfScopeError, ScopeCode
from inference.training.lung_nodule.card import tables
from inference.training.lung_nodule.chests import THICK, THIN, demo_chest
from inference.training.lung_nodule.evaluating import Found, evaluate, seen_again
from inference.training.lung_nodule.training import WEIGHTS
from inference.training.shipping import MOST_BYTES
from inference.volume import Volume
from tests.unit.inference.chests import make_chest
from voorrang.demo.studies import DEMO_SEED, NODULES
from voorrang.errors import ConfigurationError
from voorrang.statement import RESEARCH

pytestmark = pytest.mark.integration

BUNDLE = FOLDER / "lung-nodule"
DATA = Path(os.environ.get("VOORRANG_TEST_DATA", Path(__file__).resolve().parents[3].parent / "shared" / "data"))
# What a run of all tests has time for.
CARD_SEED = 403


@pytest.fixture(scope="module")
def model() -> LungNodule:
    return LungNodule()


def near(volume_finding: tuple[float, float, float] | None, place: tuple[float, float, float]) -> float:
    assert volume_finding is not None
    return float(np.linalg.norm(np.subtract(volume_finding, place)))


def test_the_shipped_weights_give_what_the_card_says_of_phantoms() -> None:
    assert seen_again(evaluate(None, BUNDLE, [CARD_SEED]), BUNDLE)


def test_the_shipped_weights_give_what_the_card_says_of_the_real_scans() -> None:
    if not all((DATA / name).is_dir() for name in (THIN, THICK)):
        pytest.skip("chests are not in VOORRANG_TEST_DATA or ../shared/data")
    assert seen_again(evaluate(DATA, BUNDLE, ()), BUNDLE)


@pytest.mark.parametrize("other", [{"weights_digest": "0" * 64}, {"scans": {THIN: {"score": 0.5, "mass": -1.0}}}])
def test_other_weights_or_scores_are_not_those_of_the_card(other: dict[str, Any]) -> None:
    kept = json.loads((BUNDLE / FIGURES).read_text())["shipped"]
    same = Found(**kept)
    assert seen_again(same, BUNDLE)
    assert not seen_again(replace(same, **other), BUNDLE)


def test_the_free_nodule_of_the_demo_is_flagged_and_the_attached_one_listed(model: LungNodule) -> None:
    said = model.read(demo_chest(DEMO_SEED))
    flagged = [finding for finding in said.findings if finding.score >= model.operating_point]
    assert (
        near(
            min(flagged, key=lambda f: near(f.position_mm, NODULES[0].position_mm)).position_mm, NODULES[0].position_mm
        )
        < 7.5
    )
    attached = NODULES[1].position_mm
    assert any(near(f.position_mm, (f.position_mm[0], *attached[1:])) < 6 for f in said.findings if f.position_mm)


def test_how_the_array_lies_changes_nothing(model: LungNodule) -> None:
    upright = demo_chest(DEMO_SEED)
    n, rows, _ = upright.voxels_hu.shape
    z, y, x = upright.spacing_mm
    turned = Volume(
        np.ascontiguousarray(upright.voxels_hu[::-1, ::-1].swapaxes(1, 2)),
        upright.to_patient_mm((n - 1, rows - 1, 0)),
        (0.0, 0.0, -z),
        (x, 0.0, 0.0),
        (0.0, -y, 0.0),
    )
    one, other = model.read(upright), model.read(turned)
    assert other.score == pytest.approx(one.score, abs=1e-4)
    assert other.findings[0].position_mm == pytest.approx(one.findings[0].position_mm, abs=0.5)


@pytest.mark.parametrize("hu", [-1000.0, 40.0])
def test_a_block_of_one_stuff_has_no_lungs(model: LungNodule, hu: float) -> None:
    block = Volume(np.full((60, 100, 100), hu, np.float32), (0, 0, 0), (0, 0, 3), (0, 3, 0), (3, 0, 0))
    with pytest.raises(OutOfScopeError) as refused:
        model.read(block)
    assert [reason.code for reason in refused.value.reasons] == [ScopeCode.ANATOMY]


def test_findings_are_few_sorted_and_the_highest_gives_the_score(model: LungNodule) -> None:
    said = model.read(make_chest(nodules=[((-100.0, 30.0, 20.0), 12.0), ((80.0, -50.0, 60.0), 20.0)], seed=2))
    scores = [finding.score for finding in said.findings]
    assert 0 < len(scores) <= 10
    assert scores == sorted(scores, reverse=True)
    assert said.score == pytest.approx(scores[0], abs=1e-4)


def test_it_is_for_what_the_reference_cad_is_for(model: LungNodule) -> None:
    assert model.scope == ReferenceLung.scope


def test_the_scan_of_thick_slices_is_out_of_scope(model: LungNodule) -> None:
    if not (DATA / THICK).is_dir():
        pytest.skip("chest-a0002 is not in VOORRANG_TEST_DATA or ../shared/data")
    (line,) = run_folder(model, DATA / THICK)
    assert line["state"] == "out_of_scope"
    assert "thick" in line["reason"]


def test_without_weights_it_does_not_start(tmp_path: Path) -> None:
    shutil.copytree(BUNDLE / "configs", tmp_path / "lung-nodule" / "configs")
    with pytest.raises(ConfigurationError, match="no weights: the model does not start"):
        LungNodule(tmp_path / "lung-nodule")


def test_weights_of_others_do_not_start(tmp_path: Path) -> None:
    folder = tmp_path / "lung-nodule"
    shutil.copytree(BUNDLE, folder)
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"models/lung-nodule.pt: SHA-256 is"):
        LungNodule(folder)


def test_weights_travel_in_less_than_ten_megabytes() -> None:
    assert (BUNDLE / WEIGHTS).stat().st_size < MOST_BYTES


def test_the_page_has_the_tables_of_the_figures_and_the_statement() -> None:
    page = (BUNDLE / PAGE).read_text(encoding="utf-8")
    assert tables(card_of("lung-nodule")["figures"]) in page
    assert RESEARCH in page


def test_the_operating_point_is_the_one_that_scans_left_out_gave(model: LungNodule) -> None:
    point = card_of("lung-nodule")["figures"]["point"]
    assert model.operating_point == point["chosen"]
    assert point["chosen"] == pytest.approx(max(point[THIN]["threshold"], point[THICK]["threshold"]), abs=1e-3)
