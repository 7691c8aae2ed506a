"""How much darker each region is than its mirror image, and how that stands to what is usual there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from inference.builtin.asymmetry.folding import SPACING_MM, Folded, Mask, within
from inference.builtin.asymmetry.regions import LEVELS, PARTS, Region, Regions, Side, numbered, region_of
from inference.volume import Voxels
from voorrang.dicom.headers import Vector

DARKEST_SHARE = 0.2
_BLUR_MM = 8.0
_MOST_OFFSET_HU = 1.0  # of one whole half against the other: a shift that cupping makes; beyond it, it counts
_LEAST_ML = 5.0

# Mean over both sides of the same measure in the 14 heads of CT-ICH without a bleed that were looked at while the rules
# were made: `python -m inference.training.asymmetry usual`.
USUAL_HU: Mapping[tuple[str, str], float] = MappingProxyType(
    {
        ("anterior", "lower"): 1.124,
        ("anterior", "upper"): 0.823,
        ("middle", "lower"): 1.061,
        ("middle", "upper"): 1.128,
        ("posterior", "lower"): 1.329,
        ("posterior", "upper"): 1.124,
    }
)


@dataclass(frozen=True, slots=True)
class Difference:
    """
    One region against its mirror image.

    Parameters
    ----------
    region
        The darker one, as far as it is darker.
    darker_hu
        Mean, over the fifth of the region that is darker by most, of mirror minus own attenuation, HU; not below 0.
    over_usual
        The same as a multiple of `USUAL_HU`.
    position_mm
        Where it is darker by most, LPS.
    """

    region: Region
    darker_hu: float
    over_usual: float
    position_mm: Vector


def differences(fold: Folded, regions: Regions) -> tuple[Difference, ...]:
    """
    Compare every region with its mirror image.

    Parameters
    ----------
    fold
        Both halves.
    regions
        The boxes.

    Returns
    -------
    tuple of Difference
        The one farthest over what is usual first; regions with less than 5 ml of pairs of tissue are left out.
    """
    number = numbered(fold, regions)
    least = _LEAST_ML * 1000 / float(np.prod(SPACING_MM))
    right_darker = _right_darker(fold)
    found = []
    for k in range(len(PARTS) * len(LEVELS)):
        inside = fold.is_pair & (number == k)
        if np.count_nonzero(inside) < least:
            continue
        for side, darker in ((Side.LEFT, -right_darker), (Side.RIGHT, right_darker)):
            found.append(_difference(fold, region_of(k, side), inside, darker))
    return tuple(sorted(found, key=lambda each: -each.over_usual))


def _right_darker(fold: Folded) -> Voxels:
    """Left minus right, HU, smoothed over pairs; shape of the folded brain."""
    pairs = fold.is_pair
    if not pairs.any():
        return np.zeros(pairs.shape, np.float32)
    less = fold.left_hu - fold.right_hu
    offset = np.clip(np.median(less[pairs]), -_MOST_OFFSET_HU, _MOST_OFFSET_HU)
    up, back, left = (_BLUR_MM / step for step in SPACING_MM)
    return within(less - offset, pairs, (up, back, left))


def _difference(fold: Folded, region: Region, inside: Mask, darker: Voxels) -> Difference:
    values = np.maximum(darker[inside], 0)
    n = max(1, int(DARKEST_SHARE * len(values)))
    darker_hu = float(np.partition(values, -n)[-n:].mean())
    a, b, c = np.unravel_index(int(np.argmax(np.where(inside, darker, -np.inf))), darker.shape)
    return Difference(
        region,
        darker_hu,
        darker_hu / USUAL_HU[region.part, region.level],
        fold.position_mm((float(a), float(b), float(c)), is_left=region.side is Side.LEFT),
    )
