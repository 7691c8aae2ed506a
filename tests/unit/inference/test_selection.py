from __future__ import annotations

from inference.scope import ScopeCode
from inference.selection import SeriesVerdict, select_series
from tests.unit.inference.test_gate import CHEST, make_headers
from voorrang.dicom.headers import InstanceHeader


def test_the_thinnest_that_fits_is_taken_and_every_other_says_why() -> None:
    study = {
        "localizer": make_headers(image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")),
        "thick": make_headers(30, spacing=8.0),
        "mip": make_headers(image_type=("DERIVED", "SECONDARY", "AXIAL", "MIP")),
        "three": make_headers(),
        "one": make_headers(200, spacing=1.0),
        "short": make_headers(20),
    }
    verdicts = {verdict.series_instance_uid: verdict for verdict in select_series(study, CHEST)}
    assert list(verdicts) == list(study)
    assert verdicts["one"] == SeriesVerdict("one", True, ())
    assert {uid: verdict.reasons[0].code for uid, verdict in verdicts.items() if uid != "one"} == {
        "localizer": ScopeCode.LOCALIZER,
        "thick": ScopeCode.SLICE_THICKNESS,
        "mip": ScopeCode.DERIVED,
        "three": ScopeCode.ANOTHER_PREFERRED,
        "short": ScopeCode.COVERAGE,
    }
    assert verdicts["three"].reasons[0].text == ("Another series is preferred: slices of 1.0 mm; these are 3.0 mm.")


def test_of_equally_thin_ones_soft_goes_first_then_coverage() -> None:
    study = {
        "sharp": make_headers(convolution_kernel="B70F"),
        "soft": make_headers(convolution_kernel="B30F"),
        "longer": make_headers(80, convolution_kernel="B30F"),
        "again": make_headers(80, convolution_kernel="B30F"),
    }
    taken, texts = _told(study)
    assert taken == ["again"]
    assert texts == [
        "Another series is preferred: a soft kernel; this one is sharp.",
        "Another series is preferred: 240 mm of coverage; this one has 210 mm.",
        "Another series is preferred: as good, and comes first.",
    ]


def test_overlapping_slices_are_as_thin_as_they_say_and_sparse_ones_as_far_as_they_lie() -> None:
    study = {
        "overlapping": make_headers(120, spacing=1.5, slice_thickness_mm=3.0),
        "thin": make_headers(100, spacing=2.0, slice_thickness_mm=2.0),
    }
    assert _told(study)[0] == ["thin"]


def test_what_lies_in_another_frame_of_reference_was_scanned_anew_and_is_taken_too() -> None:
    study = {
        "one": make_headers(120, spacing=2.0, frame_of_reference_uid="1.1"),
        "three": make_headers(frame_of_reference_uid="1.1"),
        "again": make_headers(frame_of_reference_uid="1.2"),
        "twice": make_headers(frame_of_reference_uid="1.2", convolution_kernel="B70F"),
    }
    taken, texts = _told(study)
    assert taken == ["one", "again"]
    assert texts == [
        "Another series is preferred: slices of 2.0 mm; these are 3.0 mm.",
        "Another series is preferred: a soft kernel; this one is sharp.",
    ]


def test_nothing_is_taken_where_nothing_fits() -> None:
    assert [verdict.is_taken for verdict in select_series({"short": make_headers(5)}, CHEST)] == [False]
    assert select_series({}, CHEST) == ()


def _told(study: dict[str, list[InstanceHeader]]) -> tuple[list[str], list[str]]:
    verdicts = select_series(study, CHEST)
    taken = [verdict.series_instance_uid for verdict in verdicts if verdict.is_taken]
    return taken, [reason.text for verdict in verdicts for reason in verdict.reasons]
