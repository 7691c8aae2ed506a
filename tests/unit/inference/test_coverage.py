from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference.coverage import cut_off_reasons
from inference.scope import ScopeCode
from inference.volume import Volume
from tests.unit.inference.chests import make_chest
from voorrang.demo.phantoms.head import make_head
from voorrang.pathways.criteria import SeriesCriteria

CHEST, HEAD = SeriesCriteria(region="chest"), SeriesCriteria(region="head")


def head() -> Volume:
    phantom = make_head(3)
    spacing = phantom.grid.spacing_mm
    return Volume(
        phantom.voxels_hu.astype(np.float32),
        phantom.grid.origin_mm,
        (0.0, 0.0, spacing[0]),
        (0.0, spacing[1], 0.0),
        (spacing[2], 0.0, 0.0),
    )


def kept(volume: Volume, low: int, high: int) -> Volume:
    return replace(volume, voxels_hu=volume.voxels_hu[low:high], origin_mm=volume.to_patient_mm((low, 0, 0)))


def upside_down(volume: Volume) -> Volume:
    """Return the same place in the patient, with the slices in the other order."""
    x, y, z = volume.slice_step_mm
    last = volume.to_patient_mm((len(volume.voxels_hu) - 1, 0, 0))
    return replace(volume, voxels_hu=volume.voxels_hu[::-1], origin_mm=last, slice_step_mm=(-x, -y, -z))


@pytest.fixture(scope="module")
def chest() -> Volume:
    return make_chest(spacing_mm=(5.0, 2.0, 2.0))


def test_whole_ones_are_not_cut_off(chest: Volume) -> None:
    assert cut_off_reasons(chest, CHEST) == ()
    assert cut_off_reasons(upside_down(chest), CHEST) == ()
    assert cut_off_reasons(head(), HEAD) == ()


@pytest.mark.parametrize("is_upside_down", [False, True])
def test_lungs_cut_off_are_named_with_their_end(chest: Volume, is_upside_down: bool) -> None:
    n = len(chest.voxels_hu)
    top, bottom = kept(chest, 0, n - 15), kept(chest, 18, n)
    if is_upside_down:
        top, bottom = upside_down(top), upside_down(bottom)
    assert [reason.code for reason in cut_off_reasons(top, CHEST)] == [ScopeCode.COVERAGE]
    assert cut_off_reasons(top, CHEST)[0].text.startswith("The lungs are cut off at the top: the last slice there")
    parts_will_do = SeriesCriteria(region="chest", whole_organ=False)
    assert cut_off_reasons(top, parts_will_do) == ()
    assert "at the bottom" in cut_off_reasons(bottom, CHEST)[0].text


def test_a_head_without_its_vertex_is_named_and_one_without_its_base_is_not() -> None:
    whole = head()
    assert "The head is cut off at the top" in cut_off_reasons(kept(whole, 0, 22), HEAD)[0].text
    assert cut_off_reasons(kept(whole, 8, 31), HEAD) == ()


def test_small_areas_are_no_organ() -> None:
    voxels = np.full((5, 40, 40), 40.0, np.float32)
    voxels[:, 15:25, 15:25] = -900.0
    small = Volume(voxels, (0.0, 0.0, 0.0), (0.0, 0.0, 3.0), (0.0, 3.0, 0.0), (3.0, 0.0, 0.0))  # 9 cm2 of air
    assert cut_off_reasons(small, CHEST) == ()
