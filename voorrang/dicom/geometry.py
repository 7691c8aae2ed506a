"""The geometry of a series: order, spacing, gaps, tilt, and whether the stack is whole; without pixels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median

from voorrang.dicom.headers import InstanceHeader, Orientation, Vector

MIN_SLICES = 3
PIXEL_SPACING_TOLERANCE_MM = 1e-3
ORIENTATION_TOLERANCE = 1e-3
ORTHONORMAL_TOLERANCE = 1e-4
SAME_POSITION_MM = 0.01
UNIFORM_FRACTION = 0.02  # of the median spacing, and never less than SAME_POSITION_MM
DUPLICATE_FRACTION = 0.1
MISSING_FRACTION = 1.5
GAP_OVER_THICKNESS = 1.1


class GeometryProblem(StrEnum):
    """What keeps a series from being one whole stack; a closed set."""

    TOO_FEW_SLICES = "too_few_slices"
    MULTI_FRAME = "multi_frame"
    NO_POSITION = "no_position"
    NOT_ORTHONORMAL = "not_orthonormal"
    MIXED_MATRIX = "mixed_matrix"
    MIXED_PIXEL_SPACING = "mixed_pixel_spacing"
    MIXED_ORIENTATION = "mixed_orientation"
    MIXED_FRAME_OF_REFERENCE = "mixed_frame_of_reference"
    MISSING_SLICES = "missing_slices"
    DUPLICATE_SLICES = "duplicate_slices"
    UNEVEN_SPACING = "uneven_spacing"


@dataclass(frozen=True, slots=True)
class SeriesGeometry:
    """
    How the instances of a series lie in the patient (LPS, mm).

    Parameters
    ----------
    n_instances
        How many headers were given.
    normal
        Unit vector row x column of the stack; None without one.
    order
        Indices of the given headers that form the stack, lowest along the normal first.
    distances_mm
        Distance along the normal of each instance in `order`.
    spacing_mm
        Median distance of neighbours with different positions; 0 without a stack.
    n_missing, n_duplicates
        Slices that seem to be absent, and slices at the place of another.
    is_uniform
        Whether all spacings agree within 2 % of the median.
    tilt_degrees
        Angle between the normal and the line through the slice positions, 0..90; the tag is not asked.
    coverage_mm
        From the first slice to the last along the normal, and one spacing more.
    reasons
        Why the series is not whole, in-plane inconsistencies first; empty when it is.
    """

    n_instances: int
    normal: Vector | None = None
    order: tuple[int, ...] = ()
    distances_mm: tuple[float, ...] = ()
    spacing_mm: float = 0.0
    n_missing: int = 0
    n_duplicates: int = 0
    is_uniform: bool = False
    tilt_degrees: float = 0.0
    coverage_mm: float = 0.0
    reasons: tuple[GeometryProblem, ...] = ()

    @property
    def is_whole(self) -> bool:
        """
        Whether nothing is seen to be absent between the first slice and the last.

        A truncated stack has even spacing too: this cannot show that the top or the bottom is there.
        """
        return not self.reasons

    @property
    def is_volume(self) -> bool:
        """Whether at least three positioned slices form a stack, whole or not."""
        is_stack = len(self.order) >= MIN_SLICES and self.spacing_mm > 0
        return is_stack and GeometryProblem.NOT_ORTHONORMAL not in self.reasons

    @property
    def gaps_mm(self) -> tuple[float, ...]:
        """Distances between neighbours in `order`, mm."""
        return tuple(after - before for before, after in pairwise(self.distances_mm))


def series_geometry(headers: Sequence[InstanceHeader]) -> SeriesGeometry:
    """
    Measure the geometry of a series.

    The stack is made of the instances that agree in plane with the most common ones; the others are named
    in the reasons. Variable spacing, normal in head CT, is whole when the instance numbers have no hole.

    Parameters
    ----------
    headers
        Headers of one series, in any order.

    Returns
    -------
    SeriesGeometry
        Never raises for odd input: what could not be measured is in the reasons.
    """
    n = len(headers)
    if any((header.number_of_frames or 1) > 1 for header in headers):
        return SeriesGeometry(n, reasons=(GeometryProblem.MULTI_FRAME,))
    placed = [i for i, header in enumerate(headers) if _is_placed(header)]
    problems: list[GeometryProblem] = []
    if len(placed) < n:
        problems.append(GeometryProblem.NO_POSITION)
    if len(placed) < MIN_SLICES:
        return SeriesGeometry(n, reasons=(*problems, GeometryProblem.TOO_FEW_SLICES))
    reference = headers[_most_common(headers, placed)]
    problems += _in_plane_problems(headers, placed, reference)
    stack = [i for i in placed if not _differences(headers[i], reference)]
    if len(stack) < MIN_SLICES:
        return SeriesGeometry(n, reasons=(*problems, GeometryProblem.TOO_FEW_SLICES))
    return _measure(headers, stack, reference, problems)


def plane_normal(orientation: Orientation) -> Vector:
    """Return the unit normal, row x column, of an image orientation (PS3.3 C.7.6.2.1.1)."""
    return _unit(_cross(orientation[:3], orientation[3:]))


def angle_to_axial_degrees(normal: Vector) -> float:
    """Angle between a plane normal and the patient's long axis, 0..90 degrees."""
    return math.degrees(math.acos(min(1.0, abs(normal[2]))))


def _measure(
    headers: Sequence[InstanceHeader],
    stack: list[int],
    reference: InstanceHeader,
    problems: list[GeometryProblem],
) -> SeriesGeometry:
    normal = plane_normal(_orientation(reference))
    along = {i: _dot(_position(headers[i]), normal) for i in stack}
    order = sorted(stack, key=lambda i: (along[i], headers[i].instance_number or 0))
    distances = [along[i] for i in order]
    gaps = [after - before for before, after in pairwise(distances)]
    spacing = median([gap for gap in gaps if gap > SAME_POSITION_MM] or [0.0])
    n_duplicates = sum(gap < max(DUPLICATE_FRACTION * spacing, SAME_POSITION_MM) for gap in gaps)
    n_missing = sum(_n_missing_at(i, gaps, spacing, [headers[k] for k in order]) for i in range(len(gaps)))
    tolerance = max(SAME_POSITION_MM, UNIFORM_FRACTION * spacing)
    is_uniform = all(abs(gap - spacing) <= tolerance for gap in gaps)
    if n_missing:
        problems.append(GeometryProblem.MISSING_SLICES)
    if n_duplicates:
        problems.append(GeometryProblem.DUPLICATE_SLICES)
    if not (is_uniform or n_missing or n_duplicates or _is_contiguous([headers[k] for k in order])):
        problems.append(GeometryProblem.UNEVEN_SPACING)
    return SeriesGeometry(
        n_instances=len(headers),
        normal=normal,
        order=tuple(order),
        distances_mm=tuple(distances),
        spacing_mm=spacing,
        n_missing=n_missing,
        n_duplicates=n_duplicates,
        is_uniform=is_uniform,
        tilt_degrees=_tilt_degrees(_position(headers[order[0]]), _position(headers[order[-1]]), normal),
        coverage_mm=distances[-1] - distances[0] + spacing,
        reasons=tuple(problems),
    )


def _n_missing_at(i: int, gaps: list[float], spacing: float, ordered: list[InstanceHeader]) -> int:
    """
    Slices absent in gap `i`: it is wide against the gaps nearby, or wide and instance numbers lack there.

    The nearby gaps decide, not the median of all: a head scan may have one block at 4 mm and one at 7 mm.
    """
    gap = gaps[i]
    sides = [side for side in (gaps[max(0, i - 3) : i], gaps[i + 1 : i + 4]) if side]
    local = max((median(side) for side in sides), default=spacing)
    if local > SAME_POSITION_MM and gap > MISSING_FRACTION * local:
        return max(1, round(gap / local) - 1)
    thickness = ordered[i].slice_thickness_mm or math.inf
    is_wide = gap > MISSING_FRACTION * spacing or gap > GAP_OVER_THICKNESS * thickness
    return _n_numbers_absent(i, ordered) if is_wide else 0


def _n_numbers_absent(i: int, ordered: list[InstanceHeader]) -> int:
    below, above = ordered[i].instance_number, ordered[i + 1].instance_number
    if below is None or above is None:
        return 0
    present = {header.instance_number for header in ordered}
    low, high = sorted((below, above))
    if high - low > 2 * len(ordered):  # numbered by another rule, not counted
        return 0
    between = range(low + 1, high)
    return len(between) if not present.intersection(between) else 0


def _is_contiguous(ordered: Sequence[InstanceHeader]) -> bool:
    numbers = {header.instance_number for header in ordered if header.instance_number is not None}
    return len(numbers) == len(ordered) and max(numbers) - min(numbers) == len(numbers) - 1


def _tilt_degrees(first: Vector, last: Vector, normal: Vector) -> float:
    """Tilt = atan2(|v x n|, v . n) for the line v through the slice positions."""
    line = (last[0] - first[0], last[1] - first[1], last[2] - first[2])
    return math.degrees(math.atan2(math.hypot(*_cross(line, normal)), _dot(line, normal)))


def _is_placed(header: InstanceHeader) -> bool:
    orientation = header.image_orientation
    return (
        header.image_position_mm is not None
        and header.pixel_spacing_mm is not None
        and min(header.pixel_spacing_mm) > 0
        and orientation is not None
        and math.hypot(*_cross(orientation[:3], orientation[3:])) > 0.5
    )


def _most_common(headers: Sequence[InstanceHeader], placed: list[int]) -> int:
    def key(i: int) -> tuple[object, ...]:
        header = headers[i]
        plane = (header.pixel_spacing_mm, header.image_orientation, header.frame_of_reference_uid)
        return (header.rows, header.columns, *plane)

    common = Counter(key(i) for i in placed).most_common(1)[0][0]
    return next(i for i in placed if key(i) == common)


def _in_plane_problems(
    headers: Sequence[InstanceHeader], placed: list[int], reference: InstanceHeader
) -> list[GeometryProblem]:
    found = {problem for i in placed for problem in _differences(headers[i], reference)}
    if not _is_orthonormal(_orientation(reference)):
        found.add(GeometryProblem.NOT_ORTHONORMAL)
    return sorted(found, key=list(GeometryProblem).index)


def _differences(header: InstanceHeader, reference: InstanceHeader) -> list[GeometryProblem]:
    """In-plane differences; rescale is left out because it is applied slice by slice."""
    found = []
    if (header.rows, header.columns) != (reference.rows, reference.columns):
        found.append(GeometryProblem.MIXED_MATRIX)
    if _distance(header.pixel_spacing_mm, reference.pixel_spacing_mm) > PIXEL_SPACING_TOLERANCE_MM:
        found.append(GeometryProblem.MIXED_PIXEL_SPACING)
    if _distance(header.image_orientation, reference.image_orientation) > ORIENTATION_TOLERANCE:
        found.append(GeometryProblem.MIXED_ORIENTATION)
    if header.frame_of_reference_uid != reference.frame_of_reference_uid:
        found.append(GeometryProblem.MIXED_FRAME_OF_REFERENCE)
    return found


def _is_orthonormal(orientation: Orientation) -> bool:
    row, column = orientation[:3], orientation[3:]
    errors = (math.hypot(*row) - 1, math.hypot(*column) - 1, _dot(row, column))
    return all(abs(error) <= ORTHONORMAL_TOLERANCE for error in errors)


def _distance(a: Sequence[float] | None, b: Sequence[float] | None) -> float:
    """Largest absolute difference of two element lists."""
    return max((abs(p - q) for p, q in zip(a or (), b or (), strict=True)), default=0.0)


def _orientation(header: InstanceHeader) -> Orientation:
    assert header.image_orientation is not None  # noqa: S101 - only placed instances get here
    return header.image_orientation


def _position(header: InstanceHeader) -> Vector:
    assert header.image_position_mm is not None  # noqa: S101 - only placed instances get here
    return header.image_position_mm


def _dot(a: Iterable[float], b: Iterable[float]) -> float:
    return sum(p * q for p, q in zip(a, b, strict=True))


def _cross(a: Sequence[float], b: Sequence[float]) -> Vector:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _unit(vector: Vector) -> Vector:
    length = math.hypot(*vector)
    return (vector[0] / length, vector[1] / length, vector[2] / length)
