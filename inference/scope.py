"""Why a series is out of scope: closed codes and a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ScopeCode(StrEnum):
    """Reasons for which no model reads a series; a closed set, fit for a metric label."""

    MODALITY = "modality"
    REGION = "region"
    NOT_A_VOLUME = "not_a_volume"
    LOCALIZER = "localizer"
    DERIVED = "derived"
    PHANTOM = "phantom"
    CHILD = "child"
    AGE = "age"
    MANUFACTURER = "manufacturer"
    CONTRAST = "contrast"
    KERNEL = "kernel"
    SLICE_THICKNESS = "slice_thickness"
    ORIENTATION = "orientation"
    TILT = "tilt"
    COVERAGE = "coverage"
    MISSING_SLICES = "missing_slices"
    DUPLICATE_SLICES = "duplicate_slices"
    MIXED_GEOMETRY = "mixed_geometry"
    MIXED_SERIES = "mixed_series"
    SLICE_ORDER = "slice_order"
    UNREADABLE_PIXELS = "unreadable_pixels"
    ANATOMY = "anatomy"
    ANOTHER_PREFERRED = "another_preferred"
    BLEED_FLAGGED = "bleed_flagged"


@dataclass(frozen=True, slots=True)
class ScopeReason:
    """One reason: the code and what was seen against what is asked."""

    code: ScopeCode
    text: str


class OutOfScopeError(Exception):
    """
    The series is not what the model is for; carries the reasons.

    Parameters
    ----------
    reasons
        At least one reason, the most telling first.
    """

    def __init__(self, *reasons: ScopeReason) -> None:
        super().__init__("; ".join(reason.text for reason in reasons))
        self.reasons = reasons
