"""
What a stack of slices can have wrong beyond its spacing: order, strangers, slices beside it. Pure.

`series_geometry` says whether a series is whole, which ingest asks too; this says more, which only the gate asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from voorrang.dicom.geometry import SeriesGeometry
from voorrang.dicom.headers import InstanceHeader, Vector

# Attributes of the General Series and General Equipment modules, one value in a series (PS3.3 C.7.3.1, C.7.5.1), and
# the kernel, which no scanner changes within one.
_OF_THE_SERIES = (
    "study_instance_uid",
    "series_instance_uid",
    "modality",
    "series_description",
    "protocol_name",
    "manufacturer",
    "manufacturer_model_name",
    "convolution_kernel",
)
REGULAR_FRACTION = 0.1  # of the spacing: gaps that differ by less are the same
MAX_OUT_OF_ORDER_FRACTION = 0.1  # with more, the numbers follow another rule than place
MAX_BESIDE_PIXELS = 0.5


@dataclass(frozen=True, slots=True)
class StackFaults:
    """
    What is wrong, as numbers of slices.

    Parameters
    ----------
    n_strangers
        Instances that differ from most in what a series has one value of, or lie between two regular slices.
    differing
        Which of these elements differ, under their names in a header.
    n_out_of_order
        Slices whose Instance Number belongs to another place, while the other numbers follow the positions.
    n_beside
        Slices more than half a pixel beside the line of the others.
    """

    n_strangers: int = 0
    differing: tuple[str, ...] = ()
    n_out_of_order: int = 0
    n_beside: int = 0


def stack_faults(headers: Sequence[InstanceHeader], geometry: SeriesGeometry) -> StackFaults:
    """
    Look for faults.

    Parameters
    ----------
    headers
        Headers of one series.
    geometry
        What `series_geometry` said of the same headers in the same order.
    """
    strangers, differing = _different(headers)
    stack = [headers[i] for i in geometry.order] if geometry.is_volume else []
    intruders = {geometry.order[k] for k in _between_regular(geometry)} if stack else set()
    return StackFaults(
        n_strangers=len(strangers | intruders),
        differing=differing,
        n_out_of_order=_n_out_of_order([header.instance_number for header in stack]),
        n_beside=_n_beside(stack, geometry.distances_mm) if stack else 0,
    )


def _different(headers: Sequence[InstanceHeader]) -> tuple[set[int], tuple[str, ...]]:
    """Return which headers have another value than most, and in which elements; an empty value is none."""
    strangers: set[int] = set()
    differing = []
    for name in _OF_THE_SERIES:
        values = [getattr(header, name) for header in headers]
        counted = Counter(value for value in values if value)
        if len(counted) > 1:
            ((usual, _),) = counted.most_common(1)
            strangers |= {i for i, value in enumerate(values) if value and value != usual}
            differing.append(name)
    return strangers, tuple(differing)


def _between_regular(geometry: SeriesGeometry) -> list[int]:
    """Return the places in the order of slices without which the stack would be regular there."""
    gaps, spacing = geometry.gaps_mm, geometry.spacing_mm
    tolerance = REGULAR_FRACTION * spacing
    found: list[int] = []
    for k, (below, above) in enumerate(pairwise(gaps), start=1):
        is_short = tolerance < min(below, above) and max(below, above) < spacing - tolerance
        if is_short and abs(below + above - spacing) <= tolerance and k - 1 not in found:
            found.append(k)
    return found


def _n_out_of_order(numbers: Sequence[int | None]) -> int:
    """Count the numbers that are not where they would be if all followed the positions, up or down."""
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers) or len(set(known)) < len(known) or not known:
        return 0
    if _longest_rise(known) < _longest_rise(known[::-1]):
        known.reverse()
    if not len(known) - _longest_rise(known) <= max(2, MAX_OUT_OF_ORDER_FRACTION * len(known)):
        return 0
    return sum(number != wanted for number, wanted in zip(known, sorted(known), strict=True))


def _longest_rise(numbers: Sequence[int]) -> int:
    """Return how many of the numbers remain when the fewest are left out so that the others rise."""
    ends: list[int] = []
    for number in numbers:
        at = bisect_left(ends, number)
        ends[at : at + 1] = [number]
    return len(ends)


def _n_beside(stack: Sequence[InstanceHeader], distances_mm: Sequence[float]) -> int:
    """Count slices that are shifted sideways; the medians of steps and of places make the line, so few move it."""
    positions = [header.image_position_mm for header in stack]
    spacing = stack[0].pixel_spacing_mm
    if spacing is None or any(position is None for position in positions):
        return 0
    placed: list[Vector] = [position for position in positions if position is not None]
    allowed = MAX_BESIDE_PIXELS * min(spacing)
    is_beside = [False] * len(placed)
    for axis in range(3):
        along = [position[axis] for position in placed]
        steps = [
            (after - before) / gap
            for (before, after), gap in zip(pairwise(along), _gaps(distances_mm), strict=True)
            if gap > 0
        ]
        slope = median(steps or [0.0])
        offsets = [value - slope * distance for value, distance in zip(along, distances_mm, strict=True)]
        middle = median(offsets)
        is_beside = [beside or abs(o - middle) > allowed for beside, o in zip(is_beside, offsets, strict=True)]
    return sum(is_beside)


def _gaps(distances_mm: Sequence[float]) -> list[float]:
    return [after - before for before, after in pairwise(distances_mm)]
