"""Which series of a study a pathway takes, and why not the others. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from inference.gate import scope_reasons
from inference.header_words import is_sharp_kernel
from inference.scope import ScopeCode, ScopeReason
from voorrang.dicom.geometry import SeriesGeometry, series_geometry
from voorrang.dicom.headers import InstanceHeader
from voorrang.pathways.criteria import SeriesCriteria

SAME_THICKNESS_MM = 0.1

_Rank = tuple[float, bool, float, int]


@dataclass(frozen=True, slots=True)
class SeriesVerdict:
    """Of one series: whether it is the one that is taken, and the reasons when it is not."""

    series_instance_uid: str
    is_taken: bool
    reasons: tuple[ScopeReason, ...]


def select_series(study: Mapping[str, Sequence[InstanceHeader]], criteria: SeriesCriteria) -> tuple[SeriesVerdict, ...]:
    """
    Take at most one series of a study.

    Of those that pass the gate the thinnest is taken; then a soft kernel goes before a sharp one, more coverage before
    less, more slices before fewer.

    Parameters
    ----------
    study
        Headers of each series by its Series Instance UID.
    criteria
        What a pathway, or a model, asks.

    Returns
    -------
    tuple of SeriesVerdict
        One for each series, in their order; each that is not taken has at least one reason. One that would do, when
        another is better, has the code another_preferred.
    """
    geometries = {uid: series_geometry(headers) for uid, headers in study.items()}
    reasons = {uid: scope_reasons(headers, geometries[uid], criteria) for uid, headers in study.items()}
    ranks = {uid: _rank(study[uid], geometries[uid]) for uid in study if not reasons[uid]}
    taken = min(ranks, key=lambda uid: (ranks[uid], uid), default=None)
    for uid in ranks:
        if taken is not None and uid != taken:
            reasons[uid] = (_why_not(ranks[uid], ranks[taken]),)
    return tuple(SeriesVerdict(uid, uid == taken, reasons[uid]) for uid in study)


def _rank(headers: Sequence[InstanceHeader], geometry: SeriesGeometry) -> _Rank:
    """Return what is smaller for the better."""
    known = [header.slice_thickness_mm for header in headers if header.slice_thickness_mm]
    thickness = max(median(known), geometry.spacing_mm) if known else geometry.spacing_mm
    is_sharp = any(is_sharp_kernel(header) for header in headers)
    steps = round(thickness / SAME_THICKNESS_MM)
    return (steps * SAME_THICKNESS_MM, is_sharp, -round(geometry.coverage_mm), -len(headers))


def _why_not(rank: _Rank, best: _Rank) -> ScopeReason:
    (thickness, is_sharp, coverage, _), (best_thickness, best_is_sharp, best_coverage, _) = rank, best
    if thickness != best_thickness:
        text = f"slices of {best_thickness:.1f} mm; these are {thickness:.1f} mm"
    elif is_sharp != best_is_sharp:
        text = "a soft kernel; this one is sharp"
    elif coverage != best_coverage:
        text = f"{-best_coverage:.0f} mm of coverage; this one has {-coverage:.0f} mm"
    else:
        text = "as good, and comes first"
    return ScopeReason(ScopeCode.ANOTHER_PREFERRED, f"Another series is preferred: {text}.")
