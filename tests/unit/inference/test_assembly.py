from __future__ import annotations

import math

import numpy as np
import pytest

from inference.assembly import assemble
from inference.scope import OutOfScopeError, ScopeCode
from inference.volume import Volume
from tests.unit.inference.instances import InMemorySeries, make_instance
from voorrang.dicom.geometry import series_geometry

SHAPE = (6, 5)


def make_series(heights: list[float], **options: object) -> InMemorySeries:
    """Slices at the heights given, each filled with ten times its height."""
    return InMemorySeries(
        [
            make_instance(
                np.full(SHAPE, round(10 * z) + 1024, np.uint16),
                number=i + 1,
                position_mm=(-10.0, -20.0, z),
                **options,  # type: ignore[arg-type]
            )
            for i, z in enumerate(heights)
        ]
    )


def assembled(series: InMemorySeries) -> Volume:
    return assemble(series.headers, series_geometry(series.headers), series.open_instance)


def test_slices_are_sorted_by_position_and_in_hu() -> None:
    volume = assembled(make_series([9.0, 0.0, 6.0, 3.0]))
    assert volume.voxels_hu.shape == (4, *SHAPE)
    assert volume.voxels_hu.dtype == np.float32
    assert volume.voxels_hu[:, 0, 0].tolist() == [0, 30, 60, 90]
    assert volume.origin_mm == (-10, -20, 0)
    assert volume.slice_step_mm == pytest.approx((0, 0, 3))
    assert volume.row_step_mm == pytest.approx((0, 0.8, 0))
    assert volume.column_step_mm == pytest.approx((0.6, 0, 0))
    assert volume.to_patient_mm((1, 2, 3)) == pytest.approx((-10 + 1.8, -20 + 1.6, 3))


def test_rescale_is_applied_slice_by_slice() -> None:
    instances = [
        make_instance(np.full(SHAPE, 100, np.int16), number=i, position_mm=(0, 0, 2.0 * i), slope=i, intercept=-i)
        for i in (1, 2, 3)
    ]
    volume = assembled(InMemorySeries(instances))
    assert volume.voxels_hu[:, 0, 0].tolist() == [99, 198, 297]


def test_uneven_slices_are_interpolated_onto_the_median_spacing() -> None:
    volume = assembled(make_series([0, 2, 4, 6, 7, 11, 15]))  # the median of 2 2 2 1 4 4 is 2
    assert volume.spacing_mm[0] == pytest.approx(2.0)
    # ten times the height is linear, so linear interpolation is exact
    assert volume.voxels_hu[:, 0, 0] == pytest.approx([0, 20, 40, 60, 80, 100, 120, 140])


def test_a_slice_at_the_place_of_another_is_left_out() -> None:
    volume = assembled(make_series([0, 3, 6, 6, 9]))
    assert volume.voxels_hu[:, 0, 0] == pytest.approx([0, 30, 60, 90])


def test_gantry_tilt_is_carried_in_the_slice_step() -> None:
    angle = math.radians(18.5)
    tilted = (1, 0, 0, 0, math.cos(angle), -math.sin(angle))
    volume = assembled(make_series([0, 4, 8, 12], orientation=tilted))
    assert volume.slice_step_mm == pytest.approx((0, 0, 4))
    assert volume.row_step_mm == pytest.approx((0, 0.8 * math.cos(angle), -0.8 * math.sin(angle)))
    assert volume.to_patient_mm((3, 0, 0)) == pytest.approx((-10, -20, 12))


def test_one_unreadable_slice_makes_the_series_unreadable() -> None:
    series = make_series([0, 3, 6, 9])
    uid = series.headers[2].sop_instance_uid
    series.files[uid] = series.files[uid][:-30]
    with pytest.raises(OutOfScopeError) as caught:
        assembled(series)
    assert [reason.code for reason in caught.value.reasons] == [ScopeCode.UNREADABLE_PIXELS]
    assert "1 of 4" in str(caught.value)


def test_pixels_of_another_size_than_the_header_says_are_unreadable() -> None:
    series = make_series([0, 3, 6])
    other = make_instance(np.zeros((4, 4), np.uint16), number=2)
    series.files[series.headers[1].sop_instance_uid] = InMemorySeries([other]).files[str(other.SOPInstanceUID)]
    with pytest.raises(OutOfScopeError, match="1 of 3"):
        assembled(series)


def test_too_few_slices_are_not_a_volume() -> None:
    with pytest.raises(OutOfScopeError) as caught:
        assembled(make_series([0, 3]))
    assert caught.value.reasons[0].code is ScopeCode.NOT_A_VOLUME


def test_all_slices_at_one_place_are_not_a_volume() -> None:
    with pytest.raises(OutOfScopeError) as caught:
        assembled(make_series([3, 3, 3]))
    assert caught.value.reasons[0].code is ScopeCode.NOT_A_VOLUME


@pytest.mark.parametrize("rescale", [{"slope": None}, {"intercept": None}, {"slope": 0.0}])
def test_ct_values_of_which_no_hu_are_known_are_not_read_as_hu(rescale: dict[str, float | None]) -> None:
    series = make_series([0.0, 3.0, 6.0, 9.0])
    odd = make_instance(np.full(SHAPE, 1024, np.uint16), number=9, position_mm=(-10.0, -20.0, 12.0), **rescale)  # type: ignore[arg-type]
    unknown = InMemorySeries([odd])
    series.files |= unknown.files
    series.headers += unknown.headers
    with pytest.raises(OutOfScopeError) as caught:
        assembled(series)
    assert [reason.code for reason in caught.value.reasons] == [ScopeCode.UNREADABLE_PIXELS]
    assert str(caught.value).startswith("1 of 5 slices lack Rescale Slope or Intercept")
    assert series.opened == []


def test_other_modalities_need_no_rescale() -> None:
    assert assembled(make_series([0, 3, 6], slope=None, intercept=None, extra={"Modality": "MR"})).voxels_hu.any()
