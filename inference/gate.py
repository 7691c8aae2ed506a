"""
The gate before a model: what a series is against what the model asks. Pure.

Header text is a hint: a clear contradiction refuses, silence passes and the model judges the anatomy itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from inference.header_words import is_sharp_kernel, names_phantom
from inference.scope import ScopeCode, ScopeReason
from inference.stack_faults import stack_faults
from voorrang.dicom.contrast import contrast_given
from voorrang.dicom.geometry import GeometryProblem, SeriesGeometry, angle_to_axial_degrees
from voorrang.dicom.headers import InstanceHeader
from voorrang.pathways.criteria import SeriesCriteria
from voorrang.pathways.regions import OTHER, regions_named

ADULT_YEARS = 18.0
LENGTH_TOLERANCE_MM = 0.01
MAX_UNEVEN_GAP_MM = 5.0
MAX_GAP_OVER_THICKNESS = 1.5
MAX_GAPLESS_OVER_THICKNESS = 1.1
MAX_SPACING_OVER_ASKED = 1.1

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_PROJECTIONS = frozenset({"MIP", "MAXIP", "MINIP", "MNIP", "MAX_IP", "MIN_IP", "AVERAGE", "AVERAGE_IP"})
_NOT_SLICES = frozenset({"PROJECTION IMAGE", "SCREEN SAVE", "VOLREN", "SURFREN"})
_MIXED = frozenset(
    {
        GeometryProblem.MIXED_MATRIX,
        GeometryProblem.MIXED_PIXEL_SPACING,
        GeometryProblem.MIXED_ORIENTATION,
        GeometryProblem.MIXED_FRAME_OF_REFERENCE,
        GeometryProblem.NOT_ORTHONORMAL,
    }
)

_Headers = Sequence[InstanceHeader]
_Check = Callable[[_Headers, SeriesGeometry, SeriesCriteria], Iterator[ScopeReason]]


def scope_reasons(
    headers: Sequence[InstanceHeader], geometry: SeriesGeometry, criteria: SeriesCriteria
) -> tuple[ScopeReason, ...]:
    """
    Say why a series is not what is asked for.

    Parameters
    ----------
    headers
        Headers of the series.
    geometry
        What `series_geometry` said of them.
    criteria
        What is asked.

    Returns
    -------
    tuple of ScopeReason
        Empty when nothing speaks against it; else the most telling first. Texts quote numbers and closed
        words, never header text.
    """
    return tuple(reason for check in _CHECKS for reason in check(headers, geometry, criteria))


def _modality(headers: _Headers, _: SeriesGeometry, criteria: SeriesCriteria) -> Iterator[ScopeReason]:
    n = sum(header.modality != criteria.modality for header in headers)
    if n or not headers:
        text = f"{n} of {len(headers)} instances are not of modality {criteria.modality}."
        yield ScopeReason(ScopeCode.MODALITY, text)


def _image_type(headers: _Headers, _: SeriesGeometry, __: SeriesCriteria) -> Iterator[ScopeReason]:
    n = sum("LOCALIZER" in header.image_type for header in headers)
    if n:
        yield ScopeReason(ScopeCode.LOCALIZER, f"{n} of {len(headers)} instances are localizers.")
    n = sum(_is_derived(header) for header in headers)
    if n:
        text = f"{n} of {len(headers)} instances are derived or secondary images; original ones are asked."
        yield ScopeReason(ScopeCode.DERIVED, text)


def _is_derived(header: InstanceHeader) -> bool:
    """Image Type (PS3.3 C.7.6.1.1.2): values 1 and 2 say derived or secondary, later ones say how."""
    values = header.image_type
    return (
        "DERIVED" in values[:1]
        or "SECONDARY" in values[1:2]
        or not (_PROJECTIONS | _NOT_SLICES).isdisjoint(values)
        or header.sop_class_uid.startswith(_SECONDARY_CAPTURE)
    )


def _phantom(headers: _Headers, _: SeriesGeometry, __: SeriesCriteria) -> Iterator[ScopeReason]:
    if any(names_phantom(header) for header in headers):
        yield ScopeReason(ScopeCode.PHANTOM, "The header says phantom or quality assurance; a patient is asked.")


def _age(headers: _Headers, _: SeriesGeometry, criteria: SeriesCriteria) -> Iterator[ScopeReason]:
    ages = [header.patient_age_years for header in headers if header.patient_age_years is not None]
    if ages and min(ages) < criteria.min_age_years:
        text = f"Age {min(ages):.0f} years; at least {criteria.min_age_years:.0f} is asked."
        yield ScopeReason(ScopeCode.CHILD if min(ages) < ADULT_YEARS else ScopeCode.AGE, text)
    if ages and criteria.max_age_years is not None and max(ages) > criteria.max_age_years:
        text = f"Age {max(ages):.0f} years; at most {criteria.max_age_years:.0f} is asked."
        yield ScopeReason(ScopeCode.AGE, text)


def _manufacturer(headers: _Headers, _: SeriesGeometry, criteria: SeriesCriteria) -> Iterator[ScopeReason]:
    asked = tuple(name.upper() for name in criteria.manufacturers)
    named = {header.manufacturer.upper() for header in headers if header.manufacturer}
    if asked and not all(name.startswith(asked) for name in named):
        text = f"The scanner is of another manufacturer; {' or '.join(criteria.manufacturers)} is asked."
        yield ScopeReason(ScopeCode.MANUFACTURER, text)


def _region(headers: _Headers, _: SeriesGeometry, criteria: SeriesCriteria) -> Iterator[ScopeReason]:
    named = regions_named(headers)
    if named and criteria.region not in named:
        found = " and ".join(sorted(region.replace(OTHER, "another region") for region in named))
        text = f"The header names {found}; {criteria.region} is asked."
        yield ScopeReason(ScopeCode.REGION, text)


def _contrast(headers: _Headers, _: SeriesGeometry, criteria: SeriesCriteria) -> Iterator[ScopeReason]:
    if criteria.contrast is None:
        return
    n = sum(contrast_given(header) for header in headers)
    if criteria.contrast is False and n:
        text = f"{n} of {len(headers)} instances have a contrast agent; none is asked."
        yield ScopeReason(ScopeCode.CONTRAST, text)
    if criteria.contrast is True and not n:
        yield ScopeReason(ScopeCode.CONTRAST, "No instance names a contrast agent; one is asked.")


def _kernel(headers: _Headers, _: SeriesGeometry, criteria: SeriesCriteria) -> Iterator[ScopeReason]:
    if criteria.kernel == "soft" and any(is_sharp_kernel(header) for header in headers):
        yield ScopeReason(ScopeCode.KERNEL, "The kernel is a sharp one; a soft one is asked.")


def _stack(headers: _Headers, geometry: SeriesGeometry, _: SeriesCriteria) -> Iterator[ScopeReason]:
    if geometry.is_volume:
        return
    if GeometryProblem.MULTI_FRAME in geometry.reasons:
        text = "Multi-frame instances; single slices are asked."
    else:
        text = f"{len(headers)} instances do not form a stack of at least 3 slices."
    yield ScopeReason(ScopeCode.NOT_A_VOLUME, text)


def _whole(_: _Headers, geometry: SeriesGeometry, __: SeriesCriteria) -> Iterator[ScopeReason]:
    if not _MIXED.isdisjoint(geometry.reasons):
        words = " and ".join(problem.replace("_", " ") for problem in geometry.reasons if problem in _MIXED)
        yield ScopeReason(ScopeCode.MIXED_GEOMETRY, f"Instances of one series differ in plane: {words}.")
    elif GeometryProblem.NO_POSITION in geometry.reasons and geometry.is_volume:
        n = geometry.n_instances - len(geometry.order)
        text = f"{n} of {geometry.n_instances} instances have no position."
        yield ScopeReason(ScopeCode.MIXED_GEOMETRY, text)
    if geometry.n_missing:
        yield ScopeReason(ScopeCode.MISSING_SLICES, f"{geometry.n_missing} slices seem to be missing; 0 is asked.")
    if geometry.n_duplicates:
        text = f"{geometry.n_duplicates} slices lie at the place of another; 0 is asked."
        yield ScopeReason(ScopeCode.DUPLICATE_SLICES, text)


def _faults(headers: _Headers, geometry: SeriesGeometry, _: SeriesCriteria) -> Iterator[ScopeReason]:
    faults, n = stack_faults(headers, geometry), len(headers)
    if faults.n_strangers:
        words = " and ".join(name.replace("_", " ") for name in faults.differing)
        how = f"differ from the others in {words}" if words else "lie between two slices of the others"
        yield ScopeReason(
            ScopeCode.MIXED_SERIES, f"Another series is mixed in: {faults.n_strangers} of {n} instances {how}."
        )
    if faults.n_beside:
        text = f"{faults.n_beside} of {n} slices lie sideways of the line of the others."
        yield ScopeReason(ScopeCode.MIXED_GEOMETRY, text)
    if faults.n_out_of_order:
        text = f"{faults.n_out_of_order} of {n} slices are swapped: their numbers do not follow their positions."
        yield ScopeReason(ScopeCode.SLICE_ORDER, text)


def _thickness(headers: _Headers, geometry: SeriesGeometry, criteria: SeriesCriteria) -> Iterator[ScopeReason]:
    known = [header.slice_thickness_mm for header in headers if header.slice_thickness_mm is not None]
    low, high = criteria.slice_thickness_mm or (0.0, float("inf"))
    if known and not (low - LENGTH_TOLERANCE_MM <= min(known) and max(known) <= high + LENGTH_TOLERANCE_MM):
        text = f"Slices are {min(known):g} to {max(known):g} mm thick; {low:g} to {high:g} mm is asked."
        yield ScopeReason(ScopeCode.SLICE_THICKNESS, text)
        return
    if geometry.is_volume:
        allowed = MAX_GAPLESS_OVER_THICKNESS if criteria.gapless else MAX_GAP_OVER_THICKNESS
        yield from _gaps(geometry, allowed, median_thickness=_middle(known), asked_mm=high)


def _gaps(geometry: SeriesGeometry, allowed: float, median_thickness: float, asked_mm: float) -> Iterator[ScopeReason]:
    """Tissue between the slices that no slice shows, or slices further apart than the thickest asked for."""
    spacing, widest = geometry.spacing_mm, max(geometry.gaps_mm)
    if spacing > allowed * median_thickness:
        text = f"Slices of {median_thickness:g} mm lie {spacing:.1f} mm apart; the tissue between is not shown."
        yield ScopeReason(ScopeCode.MISSING_SLICES, text)
    elif spacing > MAX_SPACING_OVER_ASKED * asked_mm:
        text = f"Slices lie {spacing:.1f} mm apart; at most {asked_mm:g} mm is asked."
        yield ScopeReason(ScopeCode.SLICE_THICKNESS, text)
    elif not (geometry.is_uniform or geometry.n_missing) and widest > max(MAX_UNEVEN_GAP_MM, spacing) * 1.1:
        text = f"Slices lie unevenly, up to {widest:.1f} mm apart; at most {MAX_UNEVEN_GAP_MM:g} mm is asked."
        yield ScopeReason(ScopeCode.MISSING_SLICES, text)


def _middle(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered and ordered[len(ordered) // 2] > 0 else float("inf")


def _placing(_: _Headers, geometry: SeriesGeometry, criteria: SeriesCriteria) -> Iterator[ScopeReason]:
    if geometry.normal is None or not geometry.is_volume:
        return
    allowed = criteria.max_tilt_degrees
    from_axial = angle_to_axial_degrees(geometry.normal)
    if from_axial > allowed:
        text = f"Slices lie {from_axial:.0f} degrees from axial; at most {allowed:.0f} is asked."
        yield ScopeReason(ScopeCode.ORIENTATION, text)
    if geometry.tilt_degrees > allowed:
        text = f"The stack is sheared by {geometry.tilt_degrees:.1f} degrees; at most {allowed:.0f} is asked."
        yield ScopeReason(ScopeCode.TILT, text)
    if geometry.coverage_mm < criteria.min_coverage_mm:
        asked_mm = criteria.min_coverage_mm
        text = f"The stack covers {geometry.coverage_mm:.0f} mm; at least {asked_mm:.0f} mm is asked."
        yield ScopeReason(ScopeCode.COVERAGE, text)


_CHECKS: tuple[_Check, ...] = (
    _modality,
    _image_type,
    _phantom,
    _age,
    _manufacturer,
    _region,
    _stack,
    _faults,
    _whole,
    _contrast,
    _kernel,
    _thickness,
    _placing,
)
