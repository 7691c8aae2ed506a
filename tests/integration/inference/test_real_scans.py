"""Real scans, which are not in the repository: VOORRANG_TEST_DATA, or ../shared/data beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from inference.assembly import assemble
from inference.model import LocatedFinding
from inference.reading import Outcome, read_series
from inference.reference.lung import ReferenceLung
from inference.run_folder import run_folder
from inference.scope import OutOfScopeError, ScopeCode
from inference.series_files import SeriesFiles, find_series
from voorrang.dicom.geometry import series_geometry
from voorrang.events.records import ScoringState

pytestmark = pytest.mark.integration

_BESIDE = Path(__file__).resolve().parents[3].parent / "shared" / "data"
FOLDERS = ("chest-c3n-00247", "chest-a0002", "head-ge-infarct")


def scan(name: str) -> SeriesFiles:
    folder = Path(os.environ.get("VOORRANG_TEST_DATA", _BESIDE)) / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not in VOORRANG_TEST_DATA or ../shared/data")
    (series,) = find_series(folder)
    return series


def distances_mm(outcome: Outcome, place: tuple[float, float, float]) -> list[float]:
    assert outcome.opinion is not None
    return [_apart(finding, place) for finding in outcome.opinion.findings]


def _apart(finding: LocatedFinding, place: tuple[float, float, float]) -> float:
    assert finding.position_mm is not None
    return float(np.linalg.norm(np.subtract(finding.position_mm, place)))


@pytest.mark.parametrize("name", FOLDERS)
def test_volumes_hold_what_pydicom_reads(name: str) -> None:
    series = scan(name)
    geometry = series_geometry(series.headers)
    volume = assemble(series.headers, geometry, series.open_instance)
    assert geometry.is_whole
    if not geometry.is_uniform:
        pytest.skip("resampled: slices are not those of the files")
    for k in (0, len(geometry.order) // 2, len(geometry.order) - 1):
        header = series.headers[geometry.order[k]]
        ds = dcmread(series.paths[header.sop_instance_uid])
        hu = ds.pixel_array.astype(np.float32) * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
        assert np.abs(volume.voxels_hu[k] - hu).max() == 0
        assert volume.to_patient_mm((k, 0, 0)) == pytest.approx(tuple(ds.ImagePositionPatient))


def test_the_tilted_head_in_two_blocks_is_resampled_with_its_tilt() -> None:
    series = scan("head-ge-infarct")
    geometry = series_geometry(series.headers)
    volume = assemble(series.headers, geometry, series.open_instance)
    assert geometry.tilt_degrees == pytest.approx(18.5, abs=0.01)
    assert not geometry.is_uniform
    assert volume.slice_step_mm == pytest.approx((0, 0, 4.22), abs=1e-4)
    assert volume.voxels_hu.shape == (37, 512, 512)
    first = series.headers[geometry.order[0]]
    ds = dcmread(series.paths[first.sop_instance_uid])
    inside = ds.pixel_array != ds.PixelPaddingValue
    assert np.array_equal(volume.voxels_hu[0][inside], ds.pixel_array[inside].astype(np.float32))
    assert volume.voxels_hu.min() >= -1024


def test_the_spiculated_mass_is_among_the_three_highest_of_at_most_ten() -> None:
    series = scan("chest-c3n-00247")
    outcome = read_series(ReferenceLung(), series.headers, series.open_instance)
    assert outcome.opinion is not None
    volume = assemble(series.headers, series_geometry(series.headers), series.open_instance)
    place = volume.to_patient_mm((31, 168, 106))
    assert min(distances_mm(outcome, place)[:3]) < 15
    assert len(outcome.opinion.findings) <= 10
    assert outcome.opinion.score >= ReferenceLung.operating_point


def test_slices_of_8_mm_are_out_of_scope() -> None:
    series = scan("chest-a0002")
    outcome = read_series(ReferenceLung(), series.headers, series.open_instance)
    assert [reason.code for reason in outcome.reasons] == [ScopeCode.SLICE_THICKNESS]


def test_the_large_mass_is_found_when_the_gate_is_passed_by() -> None:
    series = scan("chest-a0002")
    volume = assemble(series.headers, series_geometry(series.headers), series.open_instance)
    place = volume.to_patient_mm((14, 296, 170))  # the middle of the annotators' boxes
    outcome = Outcome(ScoringState.SCORED, ReferenceLung().read(volume))
    assert outcome.opinion is not None
    assert distances_mm(outcome, place)[0] < 15
    assert outcome.opinion.findings[0].type == "lung_mass"


def test_a_head_has_no_lungs() -> None:
    series = scan("head-ge-infarct")
    volume = assemble(series.headers, series_geometry(series.headers), series.open_instance)
    with pytest.raises(OutOfScopeError) as caught:
        ReferenceLung().read(volume)
    assert caught.value.reasons[0].code is ScopeCode.ANATOMY


def test_odd_files_end_no_run() -> None:
    folder = Path(os.environ.get("VOORRANG_TEST_DATA", _BESIDE)) / "odd-dicom"
    if not folder.is_dir():
        pytest.skip("odd-dicom is not in VOORRANG_TEST_DATA or ../shared/data")
    lines = list(run_folder(ReferenceLung(), folder))
    assert len(lines) > 10
    assert {line["state"] for line in lines} == {ScoringState.OUT_OF_SCOPE.value}
    assert all(line["reason"] for line in lines)
