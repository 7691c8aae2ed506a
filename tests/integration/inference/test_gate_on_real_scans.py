"""Faults put into real series, each named by the gate; the series are not in the repository."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from inference.assembly import assemble
from inference.coverage import cut_off_reasons
from inference.gate import scope_reasons
from inference.scope import ScopeCode
from inference.series_files import SeriesFiles, find_series
from tests.integration.listening import real_data
from voorrang.dicom.geometry import series_geometry
from voorrang.dicom.headers import InstanceHeader
from voorrang.pathways.criteria import SeriesCriteria

pytestmark = pytest.mark.integration

CHEST, THICK_CHEST, HEAD = "chest-c3n-00247", "chest-a0002", "head-ge-infarct"
# Intended uses that take the series as they are: the thick chest is in scope for the second, not for the first.
ASKED = {
    CHEST: SeriesCriteria(region="chest", slice_thickness_mm=(0.5, 5.0), min_coverage_mm=150.0),
    THICK_CHEST: SeriesCriteria(region="chest", slice_thickness_mm=(0.5, 10.0), min_coverage_mm=150.0),
    HEAD: SeriesCriteria(region="head", contrast=False, kernel="soft", min_coverage_mm=112.0),
}
# The upper block of the head has slices 7.0 mm apart, more than the 5 mm that are resampled: as it came.
ALREADY: dict[str, set[ScopeCode]] = {CHEST: set(), THICK_CHEST: set(), HEAD: {ScopeCode.MISSING_SLICES}}
Headers = list[InstanceHeader]


@cache
def series_of(name: str) -> SeriesFiles:
    (series,) = find_series(real_data(name))
    return series


def in_order(name: str) -> Headers:
    headers = series_of(name).headers
    return [headers[i] for i in series_geometry(headers).order]


def codes(headers: Headers, name: str) -> set[ScopeCode]:
    return {reason.code for reason in scope_reasons(headers, series_geometry(headers), ASKED[name])}


def remove(headers: Headers) -> None:
    del headers[len(headers) // 2]


def double(headers: Headers) -> None:
    headers.append(replace(headers[5], sop_instance_uid="1.2.3"))


def swap_numbers(headers: Headers) -> None:
    a, b = headers[4], headers[12]
    headers[4] = replace(a, instance_number=b.instance_number)
    headers[12] = replace(b, instance_number=a.instance_number)


def swap_positions(headers: Headers) -> None:
    a, b = headers[4], headers[12]
    headers[4] = replace(a, image_position_mm=b.image_position_mm)
    headers[12] = replace(b, image_position_mm=a.image_position_mm)


def mix_in(headers: Headers) -> None:
    """One of another real series, as a wrong Series Instance UID would bring it."""
    is_chest = headers[0].study_instance_uid == in_order(CHEST)[0].study_instance_uid
    other = HEAD if is_chest else CHEST
    headers.append(replace(in_order(other)[10], series_instance_uid=headers[0].series_instance_uid))


@pytest.mark.parametrize("name", [CHEST, THICK_CHEST, HEAD])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (None, None),
        (list.reverse, None),
        (remove, ScopeCode.MISSING_SLICES),
        (double, ScopeCode.DUPLICATE_SLICES),
        (swap_numbers, ScopeCode.SLICE_ORDER),
        (swap_positions, ScopeCode.SLICE_ORDER),
    ],
)
def test_each_fault_is_named_and_nothing_else(
    name: str, fault: Callable[[Headers], None] | None, code: ScopeCode | None
) -> None:
    headers = in_order(name)
    if fault:
        fault(headers)
    assert codes(headers, name) == ALREADY[name] | ({code} if code else set())


def test_one_slice_is_missing_from_the_tilted_head_in_two_blocks() -> None:
    headers = in_order(HEAD)
    assert series_geometry(headers).n_missing == 0
    remove(headers)
    assert series_geometry(headers).n_missing == 1


@pytest.mark.parametrize("name", [CHEST, THICK_CHEST, HEAD])
def test_an_instance_of_another_series_is_named(name: str) -> None:
    headers = in_order(name)
    mix_in(headers)
    assert ScopeCode.MIXED_SERIES in codes(headers, name)
    assert ScopeCode.MIXED_GEOMETRY in codes(headers, name)


def test_the_thick_chest_is_out_of_scope_for_the_model_of_thin_ones() -> None:
    headers = in_order(THICK_CHEST)
    assert [r.code for r in scope_reasons(headers, series_geometry(headers), ASKED[CHEST])] == [
        ScopeCode.SLICE_THICKNESS
    ]


@pytest.mark.parametrize(("name", "kept_mm"), [(CHEST, 230.0), (THICK_CHEST, 190.0), (HEAD, 115.0)])
def test_a_series_truncated_at_the_top_is_named_by_its_pixels(name: str, kept_mm: float) -> None:
    """Long enough for what is asked, evenly spaced: only the pixels show it."""
    headers, series = in_order(name), series_of(name)
    whole = assemble(headers, series_geometry(headers), series.open_instance)
    assert cut_off_reasons(whole, ASKED[name]) == ()
    lowest = series_geometry(headers).distances_mm[0]
    distances = zip(headers, series_geometry(headers).distances_mm, strict=True)
    kept = [header for header, distance in distances if distance - lowest <= kept_mm]
    assert codes(kept, name) == ALREADY[name]
    truncated = assemble(kept, series_geometry(kept), series.open_instance)
    (reason,) = cut_off_reasons(truncated, ASKED[name])
    assert reason.code is ScopeCode.COVERAGE
    assert "cut off at the top" in reason.text


@pytest.mark.parametrize("name", [CHEST, THICK_CHEST, HEAD])
def test_a_series_truncated_to_half_is_short(name: str) -> None:
    assert ScopeCode.COVERAGE in codes(in_order(name)[: len(in_order(name)) * 2 // 5], name)
