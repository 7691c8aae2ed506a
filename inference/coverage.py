"""
Whether the organ is cut off at an end of the stack, by its pixels: a truncated stack has even spacing too.

Of some slices only, and only some of their pixels: it takes two milliseconds of the 300 that a series has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference.scope import ScopeCode, ScopeReason
from inference.volume import Volume
from voorrang.pathways.criteria import Region, SeriesCriteria

_SLICES_LOOKED_AT = 16
_PIXELS_ALONG = 64
_AIR_BELOW_HU = -400.0
_TISSUE_HU = (0.0, 80.0)
MIN_AREA_CM2 = 15.0  # trachea, bowel gas, scalp

_Slice = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Organ:
    """What is measured, and up to which share of its largest area it may have at an end."""

    name: str
    is_part: Callable[[_Slice], npt.NDArray[np.bool_]]
    max_share_at: Mapping[str, float]


def _inner_air(hu: _Slice) -> npt.NDArray[np.bool_]:
    labels, _ = ndimage.label(np.pad(hu < _AIR_BELOW_HU, 1, constant_values=True))
    return np.asarray(((labels > 0) & (labels != labels[0, 0]))[1:-1, 1:-1], dtype=np.bool_)


def _soft_tissue(hu: _Slice) -> npt.NDArray[np.bool_]:
    return (hu > _TISSUE_HU[0]) & (hu < _TISSUE_HU[1])


# Whole scans have 0 to 1 % at the top of the lungs, 3 to 13 % at their bottom, 2 to 5 % at the vertex (two real chests,
# a real head, the phantoms of the demo); below the skull base there is always tissue.
_ORGANS: Mapping[Region, _Organ] = {
    "chest": _Organ("lungs", _inner_air, {"top": 0.25, "bottom": 0.25}),
    "head": _Organ("head", _soft_tissue, {"top": 0.35}),
}


def cut_off_reasons(volume: Volume, criteria: SeriesCriteria) -> tuple[ScopeReason, ...]:
    """
    Say at which ends the organ that is asked for is cut off.

    Parameters
    ----------
    volume
        HU, axial or nearly so.
    criteria
        What a model asks: lungs are looked for in a chest, the head in a head, nothing where parts will do.

    Returns
    -------
    tuple of ScopeReason
        Code coverage, one for each end; empty when nothing speaks against it. What is cut off by a centimetre or two is
        not seen.
    """
    if not criteria.whole_organ:
        return ()
    organ = _ORGANS[criteria.region]
    n, rows, columns = volume.voxels_hu.shape
    step = (max(1, rows // _PIXELS_ALONG), max(1, columns // _PIXELS_ALONG))
    pixel_cm2 = step[0] * step[1] * volume.spacing_mm[1] * volume.spacing_mm[2] / 100
    picked = np.unique(np.linspace(0, n - 1, _SLICES_LOOKED_AT).astype(int))
    areas = [np.count_nonzero(organ.is_part(volume.voxels_hu[k, :: step[0], :: step[1]])) * pixel_cm2 for k in picked]
    ends = {"bottom": areas[0], "top": areas[-1]}
    if volume.slice_step_mm[2] < 0:
        ends = {"top": areas[0], "bottom": areas[-1]}
    return tuple(
        _reason(organ.name, end, ends[end] / max(areas))
        for end, allowed in organ.max_share_at.items()
        if ends[end] > max(MIN_AREA_CM2, allowed * max(areas))
    )


def _reason(organ: str, end: str, share: float) -> ScopeReason:
    text = f"The {organ} is cut off at the {end}" if organ == "head" else f"The {organ} are cut off at the {end}"
    return ScopeReason(ScopeCode.COVERAGE, f"{text}: the last slice there shows {share:.0%} of the largest area.")
