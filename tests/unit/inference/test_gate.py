from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from inference.gate import scope_reasons
from inference.scope import ScopeCode, ScopeReason
from voorrang.dicom.geometry import series_geometry
from voorrang.dicom.headers import InstanceHeader
from voorrang.pathways.criteria import SeriesCriteria

CHEST = SeriesCriteria(region="chest", slice_thickness_mm=(0.5, 5.0), min_coverage_mm=150.0)
HEAD = SeriesCriteria(
    region="head", contrast=False, kernel="soft", slice_thickness_mm=(0.5, 5.0), max_tilt_degrees=25.0
)


def make_headers(n: int = 70, spacing: float = 3.0, **changes: Any) -> list[InstanceHeader]:
    header = InstanceHeader(
        study_instance_uid="1.2",
        series_instance_uid="1.2.3",
        sop_instance_uid="1.2.3.4",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        modality="CT",
        image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
        rows=512,
        columns=512,
        pixel_spacing_mm=(0.7, 0.7),
        image_orientation=(1, 0, 0, 0, 1, 0),
        slice_thickness_mm=spacing,
    )
    header = replace(header, **changes)
    return [replace(header, instance_number=i + 1, image_position_mm=(0, 0, i * spacing)) for i in range(n)]


def reasons(headers: list[InstanceHeader], criteria: SeriesCriteria = CHEST) -> tuple[ScopeReason, ...]:
    return scope_reasons(headers, series_geometry(headers), criteria)


def codes(headers: list[InstanceHeader], criteria: SeriesCriteria = CHEST) -> list[ScopeCode]:
    return [reason.code for reason in reasons(headers, criteria)]


def test_a_plain_series_without_any_description_passes() -> None:
    assert reasons(make_headers()) == ()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"modality": "MR"}, ScopeCode.MODALITY),
        ({"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")}, ScopeCode.LOCALIZER),
        ({"image_type": ("DERIVED", "PRIMARY", "AXIAL")}, ScopeCode.DERIVED),
        ({"image_type": ("ORIGINAL", "SECONDARY", "AXIAL")}, ScopeCode.DERIVED),
        ({"image_type": ("ORIGINAL", "PRIMARY", "AXIAL", "MIP")}, ScopeCode.DERIVED),
        ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.7"}, ScopeCode.DERIVED),
        ({"series_description": "Daily_QA"}, ScopeCode.PHANTOM),
        ({"protocol_name": "CATPHAN 5mm"}, ScopeCode.PHANTOM),
        ({"body_part_examined": "PHANTOM"}, ScopeCode.PHANTOM),
        ({"study_description": "Quality assurance"}, ScopeCode.PHANTOM),
        ({"patient_age_years": 12.0}, ScopeCode.CHILD),
        ({"body_part_examined": "HEAD"}, ScopeCode.REGION),
        ({"series_description": "KNEE LEFT"}, ScopeCode.REGION),
        ({"study_description": "CT ABDOMEN"}, ScopeCode.REGION),
        ({"slice_thickness_mm": 8.0}, ScopeCode.SLICE_THICKNESS),
        ({"slice_thickness_mm": 1.0}, ScopeCode.MISSING_SLICES),  # two thirds of the tissue is not shown
        ({"number_of_frames": 70}, ScopeCode.NOT_A_VOLUME),
        ({"image_orientation": (1, 0, 0, 0, 0, -1)}, ScopeCode.NOT_A_VOLUME),  # all in one coronal plane
    ],
)
def test_one_thing_wrong_is_one_reason(changes: dict[str, Any], code: ScopeCode) -> None:
    found = codes(make_headers(**changes))
    assert code in found
    if code is not ScopeCode.NOT_A_VOLUME:
        assert found == [code]


@pytest.mark.parametrize(
    "changes",
    [
        {"body_part_examined": "CHEST"},
        {"body_part_examined": "ABDOMEN", "series_description": "Thorax 3.0 B70f"},  # body part is often wrong
        {"protocol_name": "AThoraxRoutine"},
        {"study_description": "CT head", "series_description": "LUNG 1.25"},
        {"series_description": "Head First Supine"},
        {"series_description": "low dose, oral WATER"},
        {"protocol_name": "aquarium"},  # holds QA? no: words, not letters
        {"patient_age_years": 18.0},
        {"contrast_bolus_agent": "Omnipaque"},
        {"convolution_kernel": "B70F"},
        {"image_type": ()},
    ],
)
def test_hints_that_do_not_contradict_pass(changes: dict[str, Any]) -> None:
    assert reasons(make_headers(**changes)) == ()


def test_one_slice_of_other_thickness_is_enough() -> None:
    headers = make_headers()
    headers[5] = replace(headers[5], slice_thickness_mm=7.0)
    assert [reason.text for reason in reasons(headers)] == ["Slices are 3 to 7 mm thick; 0.5 to 5 mm is asked."]


@pytest.mark.parametrize(
    ("manufacturer", "kernel", "passes"),
    [
        ("SIEMENS", "H31S", True),
        ("SIEMENS", "HR40F\\3", True),
        ("SIEMENS", "H60S", False),
        ("SIEMENS", "B70F", False),
        ("SIEMENS", "HR68H\\3", False),
        ("SIEMENS", "J70H\\2", False),
        ("GE MEDICAL SYSTEMS", "STANDARD", True),
        ("GE MEDICAL SYSTEMS", "STD+", True),
        ("GE MEDICAL SYSTEMS", "BONEPLUS", False),
        ("GE MEDICAL SYSTEMS", "EDGE", False),
        ("Philips", "UB", True),
        ("Philips", "YE", False),
        ("Philips", "D", False),
        ("TOSHIBA", "FC26", True),
        ("CANON_MEC", "FC30", False),
        ("CANON_MEC", "FC81", False),
        ("UIH", "B_SOFT_B", True),
        ("", "", True),
    ],
)
def test_sharp_kernels_are_refused_where_soft_is_asked(manufacturer: str, kernel: str, passes: bool) -> None:
    headers = make_headers(manufacturer=manufacturer, convolution_kernel=kernel)
    assert codes(headers, HEAD) == ([] if passes else [ScopeCode.KERNEL])
    assert codes(headers, CHEST) == []


@pytest.mark.parametrize(("agent", "passes"), [("", True), ("NONE", True), ("Iomeron 350", False)])
def test_contrast_is_refused_where_none_is_asked(agent: str, passes: bool) -> None:
    assert codes(make_headers(contrast_bolus_agent=agent), HEAD) == ([] if passes else [ScopeCode.CONTRAST])


def test_contrast_is_missed_where_it_is_asked() -> None:
    asked = SeriesCriteria(region="head", contrast=True)
    assert codes(make_headers(), asked) == [ScopeCode.CONTRAST]
    assert codes(make_headers(contrast_bolus_agent="Iomeron"), asked) == []


def test_short_coverage_is_told_in_millimetres() -> None:
    assert [reason.text for reason in reasons(make_headers(40))] == [
        "The stack covers 120 mm; at least 150 mm is asked."
    ]


def test_coronal_slices_are_not_axial() -> None:
    headers = [
        replace(h, image_orientation=(1, 0, 0, 0, 0, -1), image_position_mm=(0, i * 3.0, 0))
        for i, h in enumerate(make_headers())
    ]
    assert codes(headers) == [ScopeCode.ORIENTATION]


@pytest.mark.parametrize(("degrees", "passes"), [(20.0, True), (28.0, False)])
def test_gantry_tilt_beyond_what_is_asked_is_refused(degrees: float, passes: bool) -> None:
    angle = math.radians(degrees)
    tilted = (1.0, 0.0, 0.0, 0.0, math.cos(angle), -math.sin(angle))
    found = codes(make_headers(image_orientation=tilted), HEAD)
    assert found == ([] if passes else [ScopeCode.ORIENTATION, ScopeCode.TILT])


def test_oblique_slices_stacked_squarely_have_no_tilt() -> None:
    angle = math.radians(20)
    headers = [
        replace(
            h,
            image_orientation=(1, 0, 0, 0, math.cos(angle), -math.sin(angle)),
            image_position_mm=(0, 3.0 * i * math.sin(angle), 3.0 * i * math.cos(angle)),
        )
        for i, h in enumerate(make_headers())
    ]
    assert series_geometry(headers).tilt_degrees == pytest.approx(0, abs=1e-4)
    assert codes(headers, HEAD) == []


def test_a_removed_slice_is_missing() -> None:
    headers = make_headers()
    del headers[30]
    assert codes(headers) == [ScopeCode.MISSING_SLICES]


def test_a_doubled_slice_is_a_duplicate() -> None:
    headers = make_headers()
    assert codes([*headers, replace(headers[4], sop_instance_uid="1.9")]) == [ScopeCode.DUPLICATE_SLICES]


def test_an_instance_of_another_size_is_mixed_geometry() -> None:
    headers = make_headers()
    headers[3] = replace(headers[3], rows=256)
    assert codes(headers)[0] is ScopeCode.MIXED_GEOMETRY


def test_slices_without_thickness_far_apart_are_too_thick() -> None:
    assert codes(make_headers(30, spacing=8.0, slice_thickness_mm=None)) == [ScopeCode.SLICE_THICKNESS]


def test_uneven_slices_up_to_5_mm_apart_pass_and_wider_ones_do_not() -> None:
    def uneven(wide: float) -> list[InstanceHeader]:
        heights = [3.0 * i for i in range(40)]
        heights += [heights[-1] + wide * (i + 1) for i in range(20)]
        numbered = enumerate(zip(make_headers(60), heights, strict=True))
        return [replace(h, image_position_mm=(0, 0, z), slice_thickness_mm=None) for _, (h, z) in numbered]

    asked = SeriesCriteria(region="head")
    assert codes(uneven(5.0), asked) == []
    assert codes(uneven(7.0), asked) == [ScopeCode.MISSING_SLICES]


def test_no_text_of_the_header_gets_into_a_reason() -> None:
    secret = "JANSSEN"
    headers = make_headers(
        modality=secret,
        body_part_examined=f"KNEE {secret}",
        series_description=f"{secret} PHANTOM",
        contrast_bolus_agent=secret,
        convolution_kernel="BONE",
        slice_thickness_mm=9.0,
        image_type=("DERIVED", secret),
    )
    found = reasons(headers, HEAD)
    assert len(found) >= 6
    assert all(secret not in reason.text.upper() for reason in found)


def test_nothing_at_all_is_not_a_volume() -> None:
    assert ScopeCode.NOT_A_VOLUME in codes([])
