from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from inference.gate import scope_reasons
from inference.scope import ScopeCode
from inference.stack_faults import stack_faults
from tests.unit.inference.test_gate import CHEST, codes, make_headers, reasons
from voorrang.dicom.geometry import series_geometry
from voorrang.dicom.headers import InstanceHeader
from voorrang.pathways.criteria import SeriesCriteria


def with_numbers(headers: list[InstanceHeader], numbers: list[int | None]) -> list[InstanceHeader]:
    return [replace(header, instance_number=n) for header, n in zip(headers, numbers, strict=True)]


@pytest.mark.parametrize("is_downwards", [False, True])
@pytest.mark.parametrize("pair", [(30, 31), (2, 60)])
def test_two_swapped_slices_are_named(pair: tuple[int, int], is_downwards: bool) -> None:
    numbers = list(range(70, 0, -1) if is_downwards else range(1, 71))
    a, b = pair
    numbers[a], numbers[b] = numbers[b], numbers[a]
    found = reasons(with_numbers(make_headers(), list(numbers)))
    assert [(reason.code, reason.text) for reason in found] == [
        (ScopeCode.SLICE_ORDER, "2 of 70 slices are swapped: their numbers do not follow their positions.")
    ]


def test_positions_that_are_swapped_are_named_alike() -> None:
    headers = make_headers()
    a, b = headers[20], headers[41]
    headers[20] = replace(a, image_position_mm=b.image_position_mm)
    headers[41] = replace(b, image_position_mm=a.image_position_mm)
    assert codes(headers) == [ScopeCode.SLICE_ORDER]


@pytest.mark.parametrize(
    "numbers",
    [
        list(range(1, 71)),
        [*range(36, 71), *range(1, 36)],  # two acquisitions, the upper one first
        [n for k in range(35) for n in (k + 1, k + 36)],  # interleaved
        [1] * 70,
        [None] * 70,
        [3 * n for n in range(70)],
    ],
)
def test_numbers_by_another_rule_than_place_are_no_fault(numbers: list[int | None]) -> None:
    assert codes(with_numbers(make_headers(), numbers)) == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"convolution_kernel": "B30f"}, "convolution kernel"),
        ({"series_instance_uid": "1.2.9"}, "series instance uid"),
        ({"series_description": "Thorax 5.0"}, "series description"),
        ({"manufacturer_model_name": "Other"}, "manufacturer model name"),
    ],
)
def test_one_instance_of_another_series_is_named(changes: dict[str, Any], word: str) -> None:
    headers = make_headers(convolution_kernel="B70f", series_description="Thorax 3.0", manufacturer_model_name="One")
    headers[12] = replace(headers[12], **changes)
    (reason,) = reasons(headers)
    assert reason.code is ScopeCode.MIXED_SERIES
    assert reason.text == f"Another series is mixed in: 1 of 70 instances differ from the others in {word}."


def test_a_header_that_leaves_an_element_out_is_no_stranger() -> None:
    headers = make_headers(series_description="Thorax 3.0", convolution_kernel="B70f")
    headers[5] = replace(headers[5], series_description="", convolution_kernel="")
    assert codes(headers) == []


def test_a_slice_between_two_others_is_another_series_though_its_header_says_nothing() -> None:
    headers = make_headers()
    stranger = replace(headers[10], image_position_mm=(0, 0, 31.2), sop_instance_uid="1.9", instance_number=300)
    found = reasons([*headers, stranger])
    assert found[0].code is ScopeCode.MIXED_SERIES
    assert found[0].text.endswith("1 of 71 instances lie between two slices of the others.")


def test_a_slice_shifted_sideways_is_beside_the_line_of_the_others() -> None:
    headers = make_headers()
    headers[30] = replace(headers[30], image_position_mm=(1.0, 0, 90.0))
    assert stack_faults(headers, series_geometry(headers)).n_beside == 1
    assert codes(headers) == [ScopeCode.MIXED_GEOMETRY]
    headers[30] = replace(headers[30], image_position_mm=(0.3, 0, 90.0))  # less than half a pixel of 0.7 mm
    assert codes(headers) == []


def test_a_tilted_stack_is_a_line_too() -> None:
    headers = [replace(h, image_position_mm=(0, 1.0 * i, 3.0 * i)) for i, h in enumerate(make_headers())]
    assert stack_faults(headers, series_geometry(headers)).n_beside == 0


def test_a_truncated_stack_is_short_where_a_coverage_is_asked() -> None:
    assert codes(make_headers()[:40]) == [ScopeCode.COVERAGE]


@pytest.mark.parametrize(
    ("asked", "changes", "code"),
    [
        ({"max_age_years": 80.0}, {"patient_age_years": 85.0}, ScopeCode.AGE),
        ({"min_age_years": 50.0}, {"patient_age_years": 44.0}, ScopeCode.AGE),
        ({"min_age_years": 50.0}, {"patient_age_years": 9.0}, ScopeCode.CHILD),
        ({"manufacturers": ("Siemens", "GE")}, {"manufacturer": "Philips"}, ScopeCode.MANUFACTURER),
        ({"manufacturers": ("Siemens", "GE")}, {"manufacturer": "SIEMENS Healthineers"}, None),
        ({"manufacturers": ("Siemens",)}, {}, None),
        ({"gapless": True}, {"slice_thickness_mm": 2.5}, ScopeCode.MISSING_SLICES),
        ({}, {"slice_thickness_mm": 2.5}, None),
        ({"slice_thickness_mm": (0.5, 2.5)}, {}, ScopeCode.SLICE_THICKNESS),
        ({"slice_thickness_mm": (0.5, 8.0)}, {}, None),
        ({"kernel": "soft"}, {"convolution_kernel": "B70f"}, ScopeCode.KERNEL),
    ],
)
def test_intended_use_of_a_model_is_part_of_the_gate(
    asked: dict[str, Any], changes: dict[str, Any], code: ScopeCode | None
) -> None:
    headers = make_headers(**changes)
    found = scope_reasons(headers, series_geometry(headers), SeriesCriteria(region="chest", **asked))
    assert [reason.code for reason in found] == ([code] if code else [])


def test_a_scan_may_be_in_scope_for_one_model_and_not_for_another() -> None:
    thick = make_headers(30, spacing=8.0)
    assert codes(thick, CHEST) == [ScopeCode.SLICE_THICKNESS]
    assert codes(thick, SeriesCriteria(region="chest", slice_thickness_mm=(0.5, 10.0))) == []


def test_ages_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="max_age_years is below"):
        SeriesCriteria(region="chest", min_age_years=50, max_age_years=40)
