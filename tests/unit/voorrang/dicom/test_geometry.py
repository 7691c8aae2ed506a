from __future__ import annotations

import math
from dataclasses import replace

import pytest

from voorrang.dicom.geometry import GeometryProblem, angle_to_axial_degrees, series_geometry
from voorrang.dicom.headers import InstanceHeader, Orientation, Vector

AXIAL: Orientation = (1, 0, 0, 0, 1, 0)
CORONAL: Orientation = (1, 0, 0, 0, 0, -1)
SAGITTAL: Orientation = (0, 1, 0, 0, 0, -1)


def make_header(position: Vector, number: int | None, orientation: Orientation = AXIAL) -> InstanceHeader:
    return InstanceHeader(
        study_instance_uid="1.2",
        series_instance_uid="1.2.3",
        sop_instance_uid=f"1.2.3.{number}.{abs(hash(position))}",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        modality="CT",
        instance_number=number,
        rows=512,
        columns=512,
        pixel_spacing_mm=(0.5, 0.5),
        image_position_mm=position,
        image_orientation=orientation,
        slice_thickness_mm=3.0,
        frame_of_reference_uid="1.2.9",
    )


def make_stack(n: int = 10, spacing: float = 3.0) -> list[InstanceHeader]:
    return [make_header((-100.0, -100.0, i * spacing), i + 1) for i in range(n)]


def at_heights(*heights: float, thickness_mm: float | None = 3.0) -> list[InstanceHeader]:
    headers = [make_header((0.0, 0.0, z), i + 1) for i, z in enumerate(heights)]
    return [replace(header, slice_thickness_mm=thickness_mm) for header in headers]


def test_ten_slices_of_3_mm_are_whole_and_cover_30_mm() -> None:
    geometry = series_geometry(make_stack())
    assert geometry.is_whole
    assert geometry.is_uniform
    assert geometry.normal == (0, 0, 1)
    assert geometry.order == tuple(range(10))
    assert geometry.distances_mm == tuple(3.0 * i for i in range(10))
    assert (geometry.spacing_mm, geometry.coverage_mm, geometry.tilt_degrees) == (3.0, 30.0, 0.0)


def test_order_comes_from_positions_when_the_series_runs_head_to_feet() -> None:
    geometry = series_geometry(make_stack()[::-1])
    assert geometry.order == tuple(range(9, -1, -1))
    assert geometry.is_whole


def test_flipped_columns_turn_the_normal_and_the_order() -> None:
    headers = [replace(header, image_orientation=(1, 0, 0, 0, -1, 0)) for header in make_stack()]
    geometry = series_geometry(headers)
    assert geometry.normal == (0, 0, -1)
    assert geometry.order == tuple(range(9, -1, -1))
    assert geometry.distances_mm[0] == -27.0
    assert geometry.is_whole


@pytest.mark.parametrize(
    ("orientation", "axis", "from_axial"), [(CORONAL, 1, 90.0), (SAGITTAL, 0, 90.0), (AXIAL, 2, 0.0)]
)
def test_stacks_along_any_axis_are_whole(orientation: Orientation, axis: int, from_axial: float) -> None:
    positions = [tuple(4.0 * i if k == axis else 7.0 for k in range(3)) for i in range(6)]
    headers = [make_header((x, y, z), i + 1, orientation) for i, (x, y, z) in enumerate(positions)]
    geometry = series_geometry(headers)
    assert geometry.is_whole
    assert geometry.spacing_mm == pytest.approx(4.0)
    assert geometry.tilt_degrees == pytest.approx(0.0)
    assert geometry.normal is not None
    assert abs(geometry.normal[axis]) == pytest.approx(1.0)
    assert angle_to_axial_degrees(geometry.normal) == pytest.approx(from_axial)
    assert list(geometry.distances_mm) == sorted(geometry.distances_mm)


@pytest.mark.parametrize("removed", [1, 4, 8])
def test_one_slice_removed_is_one_missing(removed: int) -> None:
    headers = make_stack()
    del headers[removed]
    geometry = series_geometry(headers)
    assert geometry.n_missing == 1
    assert geometry.reasons == (GeometryProblem.MISSING_SLICES,)
    assert not geometry.is_whole


def test_one_slice_removed_and_the_numbers_closed_up_is_still_one_missing() -> None:
    headers = make_stack()
    del headers[4]
    headers = [replace(header, instance_number=i + 1) for i, header in enumerate(headers)]
    assert series_geometry(headers).n_missing == 1


def test_three_slices_removed_in_a_row_are_three_missing() -> None:
    headers = make_stack(20)
    del headers[8:11]
    assert series_geometry(headers).n_missing == 3


def test_every_other_slice_removed_is_seen_by_number_and_thickness() -> None:
    geometry = series_geometry(make_stack(21)[::2])
    assert geometry.is_uniform
    assert geometry.n_missing == 10


def test_overlapping_slices_numbered_by_twos_are_whole() -> None:
    headers = [replace(h, slice_thickness_mm=6.0, instance_number=2 * i) for i, h in enumerate(make_stack(10, 3.0))]
    assert series_geometry(headers).is_whole


def test_one_slice_twice_is_one_duplicate() -> None:
    headers = make_stack()
    geometry = series_geometry([*headers, replace(headers[3], sop_instance_uid="1.9", instance_number=11)])
    assert geometry.n_duplicates == 1
    assert geometry.n_missing == 0
    assert geometry.reasons == (GeometryProblem.DUPLICATE_SLICES,)


def test_every_slice_twice_keeps_the_spacing() -> None:
    headers = make_stack()
    geometry = series_geometry([*headers, *headers])
    assert geometry.n_duplicates == 10
    assert geometry.spacing_mm == 3.0


def test_swapped_instance_numbers_change_nothing() -> None:
    headers = make_stack()
    headers[2], headers[6] = (
        replace(headers[2], instance_number=headers[6].instance_number),
        replace(headers[6], instance_number=headers[2].instance_number),
    )
    geometry = series_geometry(headers)
    assert geometry.is_whole
    assert geometry.order == tuple(range(10))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"rows": 256}, GeometryProblem.MIXED_MATRIX),
        ({"pixel_spacing_mm": (0.502, 0.5)}, GeometryProblem.MIXED_PIXEL_SPACING),
        ({"image_orientation": CORONAL}, GeometryProblem.MIXED_ORIENTATION),
        ({"frame_of_reference_uid": "1.2.10"}, GeometryProblem.MIXED_FRAME_OF_REFERENCE),
        ({"image_position_mm": None}, GeometryProblem.NO_POSITION),
    ],
)
def test_one_instance_of_another_kind_is_named_and_left_out(
    change: dict[str, object], problem: GeometryProblem
) -> None:
    stranger = replace(make_header((0.0, 0.0, 33.0), 12), **change)  # type: ignore[arg-type]
    geometry = series_geometry([stranger, *make_stack()])
    assert geometry.reasons == (problem,)
    assert geometry.order == tuple(range(1, 11))
    assert geometry.spacing_mm == 3.0


def test_tilt_of_dcm2niix_issue_253_is_20_degrees() -> None:
    orientation = (1.0, 0.0, 0.0, 0.0, 0.939693, -0.34202)
    headers = [make_header((0.0, 0.0, 147.657 * i / 9), i + 1, orientation) for i in range(10)]
    geometry = series_geometry(headers)
    assert geometry.tilt_degrees == pytest.approx(20.0, abs=0.001)
    assert geometry.spacing_mm == pytest.approx(147.657 / 9 * math.cos(math.radians(20)), abs=1e-3)
    assert geometry.is_whole


def test_two_blocks_of_a_head_scan_are_whole_but_uneven() -> None:
    # as an incremental scan of 2003: 4.22 mm through the posterior fossa, 1.14 mm between, then 7.38 mm
    heights = [4.22 * i for i in range(14)]
    heights += [heights[-1] + 1.14 + 7.38 * i for i in range(14)]
    geometry = series_geometry(at_heights(*heights, thickness_mm=None))
    assert geometry.is_whole
    assert not geometry.is_uniform
    assert (geometry.n_missing, geometry.n_duplicates) == (0, 0)


def test_two_blocks_with_a_slice_absent_in_the_wide_one_are_not_whole() -> None:
    heights = [4.0 * i for i in range(10)] + [36.0 + 7.0 * i for i in range(1, 11)]
    headers = at_heights(*heights, thickness_mm=None)
    del headers[14]
    assert series_geometry(headers).n_missing == 1


def test_uneven_spacing_without_numbers_is_not_whole() -> None:
    headers = [replace(header, instance_number=None) for header in at_heights(0, 3, 6, 10, 13, 16)]
    assert series_geometry(headers).reasons == (GeometryProblem.UNEVEN_SPACING,)


@pytest.mark.parametrize(("jitter", "is_uniform"), [(0.05, True), (0.07, False)])
def test_spacing_is_uniform_within_2_percent(jitter: float, is_uniform: bool) -> None:
    assert series_geometry(at_heights(0, 3, 6 + jitter, 9 + jitter, 12 + jitter)).is_uniform is is_uniform


def test_two_slices_are_too_few() -> None:
    geometry = series_geometry(make_stack(2))
    assert geometry.reasons == (GeometryProblem.TOO_FEW_SLICES,)
    assert not geometry.is_volume


def test_nothing_is_too_few() -> None:
    assert series_geometry([]).reasons == (GeometryProblem.TOO_FEW_SLICES,)


def test_a_multi_frame_instance_is_not_a_stack() -> None:
    headers = [replace(make_stack()[0], number_of_frames=120)]
    assert series_geometry(headers).reasons == (GeometryProblem.MULTI_FRAME,)


def test_skewed_axes_are_not_a_volume() -> None:
    headers = [replace(header, image_orientation=(1, 0, 0, 0.01, 1, 0)) for header in make_stack()]
    geometry = series_geometry(headers)
    assert GeometryProblem.NOT_ORTHONORMAL in geometry.reasons
    assert not geometry.is_volume


def test_degenerate_orientation_counts_as_no_position() -> None:
    headers = [replace(header, image_orientation=(0, 0, 0, 0, 0, 0)) for header in make_stack()]
    assert series_geometry(headers).reasons == (
        GeometryProblem.NO_POSITION,
        GeometryProblem.TOO_FEW_SLICES,
    )
