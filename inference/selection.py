"""Which series of a study a pathway takes, and why not the others. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from inference.gate import scope_reasons
from inference.header_words import is_sharp_kernel
from inference.scope import ScopeCode, ScopeReason
from voorrang.dicom.geometry import SeriesGeometry, series_geometry
from voorrang.dicom.headers import InstanceHeader
from voorrang.pathways.criteria import SeriesCriteria

SAME_THICKNESS_MM = 0.1


@dataclass(frozen=True, slots=True)
class Quality:
    """
    What makes one series better to read than another of the same study.

    Parameters
    ----------
    thickness_mm
        Of its slices, or their distance where that is larger; in steps of 0.1 mm.
    is_sharp
        Whether its kernel is one for bone or lung.
    coverage_mm
        From the first slice to the last, whole mm.
    n_slices
        Number of slices.
    frame_of_reference_uid
        Series of one acquisition have one (PS3.3 C.7.4.1.1.1); empty where the header has none.
    """

    thickness_mm: float
    is_sharp: bool
    coverage_mm: int
    n_slices: int
    frame_of_reference_uid: str = ""


@dataclass(frozen=True, slots=True)
class Rival:
    """Another series of the study, and the names of the models that have scored it."""

    series_instance_uid: str
    quality: Quality
    scored_by: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SeriesVerdict:
    """Of one series: whether it is one that is taken, and the reasons when it is not."""

    series_instance_uid: str
    is_taken: bool
    reasons: tuple[ScopeReason, ...]


def select_series(study: Mapping[str, Sequence[InstanceHeader]], criteria: SeriesCriteria) -> tuple[SeriesVerdict, ...]:
    """
    Take at most one series of each frame of reference of a study.

    Of those that pass the gate the thinnest is taken; then a soft kernel goes before a sharp one, more coverage before
    less, more slices before fewer. A second frame of reference is a patient who was laid down or scanned anew, and
    what it shows is in no series of the first.

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
    fit = [Rival(uid, quality_of(study[uid], geometries[uid])) for uid in study if not reasons[uid]]
    for each in fit:
        better = why_another(each.series_instance_uid, each.quality, fit)
        if better is not None:
            reasons[each.series_instance_uid] = (better,)
    return tuple(SeriesVerdict(uid, not reasons[uid], reasons[uid]) for uid in study)


def quality_of(headers: Sequence[InstanceHeader], geometry: SeriesGeometry) -> Quality:
    """Return what counts of a series that is a stack of slices."""
    known = [header.slice_thickness_mm for header in headers if header.slice_thickness_mm]
    thickness = max(median(known), geometry.spacing_mm) if known else geometry.spacing_mm
    return Quality(
        thickness_mm=round(round(thickness / SAME_THICKNESS_MM) * SAME_THICKNESS_MM, 1),
        is_sharp=any(is_sharp_kernel(header) for header in headers),
        coverage_mm=round(geometry.coverage_mm),
        n_slices=len(headers),
        frame_of_reference_uid=headers[0].frame_of_reference_uid,
    )


def why_another(series_instance_uid: str, quality: Quality, rivals: Collection[Rival]) -> ScopeReason | None:
    """
    Say which other series is to be read instead of one.

    Parameters
    ----------
    series_instance_uid, quality
        The one that is asked about; it may be among the rivals.
    rivals
        All that would do.

    Returns
    -------
    ScopeReason or None
        Code another_preferred; None when no rival in the same frame of reference is better.
    """
    mine = Rival(series_instance_uid, quality)
    frame = quality.frame_of_reference_uid
    alike = [rival for rival in rivals if rival.quality.frame_of_reference_uid == frame]
    best = min(alike, key=_place, default=mine)
    return _reason(quality, best.quality) if _place(best) < _place(mine) else None


def _place(rival: Rival) -> tuple[float, bool, int, int, str]:
    """Return what is smaller for the better."""
    quality = rival.quality
    return (
        quality.thickness_mm,
        quality.is_sharp,
        -quality.coverage_mm,
        -quality.n_slices,
        rival.series_instance_uid,
    )


def _reason(mine: Quality, best: Quality) -> ScopeReason:
    if mine.thickness_mm != best.thickness_mm:
        text = f"slices of {best.thickness_mm:.1f} mm; these are {mine.thickness_mm:.1f} mm"
    elif mine.is_sharp != best.is_sharp:
        text = "a soft kernel; this one is sharp"
    elif mine.coverage_mm != best.coverage_mm:
        text = f"{best.coverage_mm} mm of coverage; this one has {mine.coverage_mm} mm"
    else:
        text = "as good, and comes first"
    return ScopeReason(ScopeCode.ANOTHER_PREFERRED, f"Another series is preferred: {text}.")
