"""The reference model for the head: what it flags, what it must not, and what it refuses."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import pytest

from inference.model import Model
from inference.reference.head import OPERATING_POINT, ReferenceHead
from inference.scope import OutOfScopeError, ScopeCode
from inference.volume import Volume, Voxels
from voorrang.demo.phantoms.canvas import Phantom, cover_of
from voorrang.demo.phantoms.chest import make_chest
from voorrang.demo.phantoms.head import GRID, Bleed, make_head
from voorrang.demo.phantoms.quality import make_water_phantom
from voorrang.dicom.headers import Vector

REAL_DATA = Path(os.environ.get("VOORRANG_TEST_DATA", Path(__file__).parents[5] / "shared" / "data"))
REAL_HEAD = REAL_DATA / "head-ge-infarct"


def make_volume(phantom: Phantom) -> Volume:
    slice_mm, row_mm, column_mm = phantom.grid.spacing_mm
    return Volume(
        voxels_hu=phantom.voxels_hu.astype(np.float32),
        origin_mm=phantom.grid.origin_mm,
        slice_step_mm=(0.0, 0.0, slice_mm),
        row_step_mm=(0.0, row_mm, 0.0),
        column_step_mm=(column_mm, 0.0, 0.0),
    )


@cache
def make_normal_volume(seed: int) -> Volume:
    return make_volume(make_head(seed))


@cache
def make_bleed_volume() -> Volume:
    return make_volume(make_head(9, Bleed((30.0, 5.0, 18.0), 20.0, 66.0)))


@cache
def make_chest_volume() -> Volume:
    return make_volume(make_chest(1))


@pytest.fixture(scope="module")
def model() -> Model:
    return ReferenceHead()


def distance_mm(a: Vector | None, b: Vector) -> float:
    assert a is not None
    return float(np.linalg.norm(np.array(a) - np.array(b)))


@pytest.mark.parametrize(
    ("seed", "bleed"),
    [
        (1, Bleed((30.0, 5.0, 18.0), 12.0, 68.0)),
        (2, Bleed((-30.0, -20.0, 25.0), 22.0, 60.0)),
        (4, Bleed((-20.0, 40.0, -30.0), 16.0, 72.0)),
        (5, Bleed((-30.0, 5.0, 25.0), 50.0, 65.0)),
        (6, Bleed((0.0, -35.0, 20.0), 24.0, 68.0)),  # on the midline: no asymmetry speaks for it
    ],
)
def test_bleed_is_flagged_where_it_is(model: Model, seed: int, bleed: Bleed) -> None:
    opinion = model.read(make_volume(make_head(seed, bleed)))
    best = opinion.findings[0]
    assert opinion.score >= model.operating_point
    assert best.score == opinion.score
    assert best.type == "hyperdense_region"
    assert distance_mm(best.position_mm, bleed.position_mm) < 4.0
    assert best.diameter_mm == pytest.approx(bleed.diameter_mm, abs=3.0)


@pytest.mark.parametrize("seed", [1, 19, 37])
def test_head_without_bleed_is_not_flagged(model: Model, seed: int) -> None:
    assert model.read(make_normal_volume(seed)).score < 0.75 * OPERATING_POINT


@pytest.mark.parametrize(("yaw_degrees", "roll_degrees"), [(-18.0, 0.0), (10.0, 7.0)])
def test_turned_head_is_read_like_a_straight_one(model: Model, yaw_degrees: float, roll_degrees: float) -> None:
    bleed = Bleed((28.0, 5.0, 18.0), 16.0, 64.0)
    turned = make_head(8, bleed, yaw_degrees=yaw_degrees, roll_degrees=roll_degrees)
    normal = make_head(8, None, yaw_degrees=yaw_degrees, roll_degrees=roll_degrees)
    found = model.read(make_volume(turned))
    assert found.score >= model.operating_point
    assert distance_mm(found.findings[0].position_mm, bleed.position_mm) < 4.0
    assert model.read(make_volume(normal)).score < model.operating_point


def test_mirrored_bleed_is_found_on_the_other_side(model: Model) -> None:
    volume = make_bleed_volume()
    mirrored = replace(volume, voxels_hu=np.ascontiguousarray(volume.voxels_hu[:, :, ::-1]))
    opinion = model.read(mirrored)
    assert opinion.score >= model.operating_point
    assert distance_mm(opinion.findings[0].position_mm, (-30.0, 5.0, 18.0)) < 4.0


def test_score_does_not_depend_on_how_rows_columns_and_slices_run(model: Model) -> None:
    volume = make_bleed_volume()
    n, rows, _ = volume.voxels_hu.shape
    (sx, sy, sz), (rx, ry, rz) = volume.slice_step_mm, volume.row_step_mm
    turned = Volume(
        voxels_hu=np.ascontiguousarray(volume.voxels_hu[::-1, ::-1]),
        origin_mm=volume.to_patient_mm((n - 1, rows - 1, 0)),
        slice_step_mm=(-sx, -sy, -sz),
        row_step_mm=(-rx, -ry, -rz),
        column_step_mm=volume.column_step_mm,
    )
    opinion = model.read(turned)
    assert opinion.score == pytest.approx(model.read(volume).score, abs=0.05)
    assert distance_mm(opinion.findings[0].position_mm, (30.0, 5.0, 18.0)) < 4.0


@pytest.mark.parametrize("seed", [19, 37])
def test_wide_sinus_on_one_side_is_not_flagged(model: Model, seed: int) -> None:
    assert model.read(make_volume(make_head(seed, has_one_sided_sinus=True))).score < OPERATING_POINT


def test_calcification_on_one_side_is_not_flagged(model: Model) -> None:
    voxels = make_normal_volume(1).voxels_hu.copy()
    x, y, z = GRID.axes_mm()
    radius = np.sqrt((x - 28) ** 2 + (y - 5) ** 2 + (z - 17) ** 2)
    calcified = replace(
        make_normal_volume(1), voxels_hu=np.where(radius < 7, np.float32(220), voxels).astype(np.float32)
    )
    assert model.read(calcified).score < OPERATING_POINT


def _water() -> Volume:
    return make_volume(make_water_phantom(1))


def _water_in_bone() -> Volume:
    x, y, _ = GRID.axes_mm()
    depth = np.broadcast_to(75 - np.hypot(x, y), GRID.shape)
    voxels = -1000 + cover_of(depth) * 2000 - cover_of(depth - 8) * 1000
    return replace(make_normal_volume(1), voxels_hu=voxels.astype(np.float32))


def _soft_tissue_without_bone() -> Volume:
    x, y, _ = GRID.axes_mm()
    depth = np.broadcast_to(80 - np.hypot(x, y), GRID.shape)
    return replace(make_normal_volume(1), voxels_hu=(-1000 + cover_of(depth) * 1035).astype(np.float32))


def _chest() -> Volume:
    return make_chest_volume()


def _abdomen() -> Volume:
    chest = make_chest_volume()
    below_the_diaphragm = chest.voxels_hu[:4].repeat(12, axis=0)
    return replace(chest, voxels_hu=below_the_diaphragm)


def _opened_skull() -> Volume:
    volume = make_normal_volume(1)
    voxels = volume.voxels_hu.copy()
    x, y, z = GRID.axes_mm()
    voxels[np.broadcast_to((np.abs(y) < 30) & (x > 0) & (z > 5) & (voxels > 100), voxels.shape)] = 40.0
    return replace(volume, voxels_hu=voxels)


def _air() -> Volume:
    return replace(make_normal_volume(1), voxels_hu=np.full(GRID.shape, -1000.0, dtype=np.float32))


@pytest.mark.parametrize(
    "make", [_water, _water_in_bone, _soft_tissue_without_bone, _chest, _abdomen, _opened_skull, _air]
)
def test_what_is_no_closed_head_is_out_of_scope(model: Model, make: Callable[[], Volume]) -> None:
    with pytest.raises(OutOfScopeError) as refusal:
        model.read(make())
    assert [reason.code for reason in refusal.value.reasons] == [ScopeCode.ANATOMY]


def test_part_of_a_head_is_read(model: Model) -> None:
    volume = make_bleed_volume()
    without_vertex = replace(volume, voxels_hu=volume.voxels_hu[:23])
    assert model.read(without_vertex).score >= OPERATING_POINT


def test_model_says_what_it_is(model: Model) -> None:
    assert (model.model_id, model.version) == ("reference-head", "1")
    assert len(model.weights_digest) == 64
    assert model.scope.region == "head"
    assert model.scope.contrast is False


@pytest.mark.skipif(not REAL_HEAD.is_dir(), reason=f"no real data in {REAL_DATA}")
def test_real_tilted_head_without_bleed_is_not_flagged(model: Model) -> None:
    assert model.read(_real_head()).score < 0.5 * OPERATING_POINT


def _real_head() -> Volume:
    """Load the 28 slices and put them on an even 4.22 mm grid by linear interpolation."""
    datasets = [pydicom.dcmread(path) for path in REAL_HEAD.glob("*.dcm")]
    datasets.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
    z = np.array([float(ds.ImagePositionPatient[2]) for ds in datasets])
    stack: Voxels = np.stack([ds.pixel_array for ds in datasets]).astype(np.float32)
    step = 4.22
    wanted = np.arange(z[0], z[-1], step)
    low = np.clip(np.searchsorted(z, wanted, side="right") - 1, 0, len(z) - 2)
    share = ((wanted - z[low]) / (z[low + 1] - z[low])).astype(np.float32)[:, None, None]
    first = datasets[0]
    pixel = float(first.PixelSpacing[0])
    rx, ry, rz, cx, cy, cz = (pixel * float(value) for value in first.ImageOrientationPatient)
    x0, y0, z0 = (float(value) for value in first.ImagePositionPatient)
    return Volume(
        voxels_hu=(1 - share) * stack[low] + share * stack[low + 1],
        origin_mm=(x0, y0, z0),
        slice_step_mm=(0.0, 0.0, step),
        row_step_mm=(cx, cy, cz),
        column_step_mm=(rx, ry, rz),
    )
