"""A voxel grid to paint anatomy on, and the phantom that comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from voorrang.dicom.headers import Vector

Array = npt.NDArray[np.float32]
Depth = npt.NDArray[np.floating]
Coordinates = tuple[Array, Array, Array]
Box = tuple[slice, slice, slice]

AIR_HU = -1000.0
_STORED_RANGE_HU = (-1024, 3071)  # 12 bits with a rescale intercept of -1024


@dataclass(frozen=True, slots=True)
class Lesion:
    """What was put in on purpose: its kind, its centre (LPS, mm), equivalent-sphere diameter (mm) and HU."""

    kind: str
    position_mm: Vector
    diameter_mm: float
    hu: float


@dataclass(frozen=True, slots=True)
class Grid:
    """
    An axial grid: rows run to the patient's back, columns to the left, slices to the head.

    Parameters
    ----------
    shape
        Number of (slices, rows, columns).
    spacing_mm
        Distance between neighbours along the same axes.
    origin_mm
        Patient position (LPS) of the centre of voxel (0, 0, 0).
    """

    shape: tuple[int, int, int]
    spacing_mm: Vector
    origin_mm: Vector

    @classmethod
    def centred(cls, shape: tuple[int, int, int], spacing_mm: Vector, first_slice_mm: float) -> Grid:
        """Return a grid centred on x = y = 0 whose first slice lies at `first_slice_mm`."""
        _, rows, columns = shape
        x = -(columns - 1) / 2 * spacing_mm[2]
        y = -(rows - 1) / 2 * spacing_mm[1]
        return cls(shape, spacing_mm, (x, y, first_slice_mm))

    def axes_mm(self, box: Box | None = None) -> Coordinates:
        """Return x, y and z (mm, LPS) as arrays that broadcast to (slices, rows, columns)."""
        z, y, x = (
            np.float32(start) + np.float32(step) * np.arange(size, dtype=np.float32)
            for start, step, size in zip(self.origin_mm[::-1], self.spacing_mm, self.shape, strict=True)
        )
        s, r, c = box or (slice(None), slice(None), slice(None))
        return x[None, None, c], y[None, r, None], z[s, None, None]

    def index_of(self, position_mm: Vector) -> tuple[int, int, int]:
        """Return the (slice, row, column) nearest to a patient position; it may lie outside the grid."""
        zyx = zip(position_mm[::-1], self.origin_mm[::-1], self.spacing_mm, strict=True)
        s, r, c = (round((p - start) / step) for p, start, step in zyx)
        return (s, r, c)

    def box_around(self, centre_mm: Vector, reach_mm: float) -> Box:
        """Return the part of the grid within `reach_mm` of a patient position along every axis."""
        slices = [
            slice(
                max(0, int(np.floor((p - reach_mm - start) / step))),
                max(0, min(size, int(np.ceil((p + reach_mm - start) / step)) + 1)),
            )
            for p, start, step, size in zip(
                centre_mm[::-1], self.origin_mm[::-1], self.spacing_mm, self.shape, strict=True
            )
        ]
        return (slices[0], slices[1], slices[2])


@dataclass(frozen=True, slots=True)
class Phantom:
    """A finished phantom: int16 voxels of shape `grid.shape` in HU, and the lesions that were put in."""

    grid: Grid
    voxels_hu: npt.NDArray[np.int16]
    truth: tuple[Lesion, ...] = ()


@dataclass(slots=True)
class Canvas:
    """
    A grid that is painted on in body coordinates: patient coordinates turned by `to_body`.

    Parameters
    ----------
    grid
        Where the voxels lie in the patient.
    to_body
        Rotation matrix from patient (LPS) to body coordinates, about the origin.
    """

    grid: Grid
    to_body: npt.NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    voxels: Array = field(init=False)

    def __post_init__(self) -> None:
        self.voxels = np.full(self.grid.shape, AIR_HU, dtype=np.float32)

    def coordinates(self, box: Box | None = None) -> Coordinates:
        """Return body x, y and z, mm, that broadcast to the box or to the whole grid."""
        axes = self.grid.axes_mm(box)
        if np.array_equal(self.to_body, np.eye(3)):
            return axes
        m = self.to_body.astype(np.float32)
        turned = [m[i, 0] * axes[0] + m[i, 1] * axes[1] + m[i, 2] * axes[2] for i in range(3)]
        return (turned[0], turned[1], turned[2])

    def to_patient(self, body_mm: Vector) -> Vector:
        """Return the patient position (LPS, mm) of a body position."""
        x, y, z = self.to_body.T @ np.array(body_mm)
        return (float(x), float(y), float(z))

    def blend(self, cover: Array, hu: float | Array, box: Box | None = None) -> None:
        """Move voxels towards `hu` by the share `cover` (0..1) that the new tissue takes of each."""
        part = self.voxels[box] if box else self.voxels
        part += cover * (hu - part)

    def ellipsoid(
        self,
        centre: Vector,
        semi_axes: Vector,
        hu: float,
        edge_mm: float = 1.5,
        within: Array | None = None,
    ) -> None:
        """Paint an ellipsoid given in body coordinates, mm; `within` (0..1, whole grid) limits it."""
        box = self.grid.box_around(self.to_patient(centre), max(semi_axes) + 2 * edge_mm)
        cover = cover_of(ellipsoid_depth(self.coordinates(box), centre, semi_axes), edge_mm)
        self.blend(cover if within is None else cover * within[box], hu, box)

    def tube(
        self,
        ends: tuple[Vector, Vector],
        radii: tuple[float, float],
        hu: float,
        edge_mm: float = 1.5,
        within: Array | None = None,
    ) -> None:
        """Paint a tapering tube with round ends between two body positions, mm."""
        a, b = (np.array(end) for end in ends)
        centre = self.to_patient(tuple((a + b) / 2))
        box = self.grid.box_around(centre, float(np.linalg.norm(b - a)) / 2 + max(radii) + 2 * edge_mm)
        if any(part.start >= part.stop for part in box):
            return
        cover = cover_of(tube_depth(self.coordinates(box), ends, radii), edge_mm)
        self.blend(cover if within is None else cover * within[box], hu, box)

    def finish(self, rng: np.random.Generator, noise_hu: float, truth: tuple[Lesion, ...] = ()) -> Phantom:
        """Blur as a scanner does, add noise of `noise_hu` standard deviation, and round."""
        blurred = ndimage.gaussian_filter1d(self.voxels, 0.6, axis=1, truncate=3)
        blurred = ndimage.gaussian_filter1d(blurred, 0.6, axis=2, truncate=3)
        blurred = ndimage.convolve1d(blurred, np.array([0.12, 0.76, 0.12]), axis=0, mode="nearest")
        blurred += noise_hu * grain(rng, self.grid.shape)
        return Phantom(self.grid, np.clip(np.rint(blurred), *_STORED_RANGE_HU).astype(np.int16), truth)


def ellipsoid_depth(at: Coordinates, centre: Vector, semi_axes: Vector) -> Array:
    """Return about how deep (mm) each point lies inside an ellipsoid; negative outside, first order."""
    scaled = [
        ((p - np.float32(c)) / np.float32(a), np.float32(a)) for p, c, a in zip(at, centre, semi_axes, strict=True)
    ]
    radius = np.sqrt(sum(s * s for s, _ in scaled)) + np.float32(1e-6)
    slope = np.sqrt(sum((s / a) ** 2 for s, a in scaled)) + np.float32(1e-9)
    depth: Array = radius * (1 - radius) / slope
    # at the very centre the first-order formula tends to 0/0; the shortest semi-axis bounds the depth
    return np.where(radius < 0.02, np.float32(min(semi_axes)), depth)


def tube_depth(at: Coordinates, ends: tuple[Vector, Vector], radii: tuple[float, float]) -> Array:
    """Return how deep (mm) each point lies inside a tapering tube with round ends; negative outside."""
    a, b = (np.array(end, dtype=np.float32) for end in ends)
    along = b - a
    length_squared = np.float32(max(float(along @ along), 1e-6))
    offset = [p - np.float32(q) for p, q in zip(at, a, strict=True)]
    share = np.clip(sum(o * d for o, d in zip(offset, along, strict=True)) / length_squared, 0, 1)
    distance = np.sqrt(sum((o - share * d) ** 2 for o, d in zip(offset, along, strict=True)))
    depth: Array = np.float32(radii[0]) + share * np.float32(radii[1] - radii[0]) - distance
    return depth


def cover_of(depth: Depth, edge_mm: float = 1.5) -> Array:
    """Return the share 0..1 of tissue at a depth (mm), rising linearly over `edge_mm` about the surface."""
    cover: Array = np.clip(depth / np.float32(edge_mm) + np.float32(0.5), 0, 1).astype(np.float32, copy=False)
    return cover


def grain(rng: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    """Return noise of unit standard deviation with the short in-plane correlation of a soft kernel."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    for axis in (1, 2):
        noise = ndimage.convolve1d(noise, np.array([0.25, 0.5, 0.25], dtype=np.float32), axis=axis)
    return noise / np.float32(0.375)  # sqrt(0.25^2 + 0.5^2 + 0.25^2), once per axis


def texture(rng: np.random.Generator, grid: Grid, scale_mm: float) -> Array:
    """Return a smooth random field of about standard deviation 1 and correlation length `scale_mm`."""
    size = [max(2, int(np.ceil(n * step / scale_mm)) + 1) for n, step in zip(grid.shape, grid.spacing_mm, strict=True)]
    field_values = rng.standard_normal(size, dtype=np.float32) * np.float32(1.7)
    for axis, n in enumerate(grid.shape):
        field_values = _stretch(field_values, axis, n)
    return field_values


def _stretch(values: Array, axis: int, size: int) -> Array:
    """Interpolate linearly along one axis to `size` samples."""
    position = np.linspace(0, values.shape[axis] - 1, size, dtype=np.float32)
    low = np.minimum(position.astype(np.intp), values.shape[axis] - 2)
    share = (position - low).reshape([-1 if i == axis else 1 for i in range(3)])
    stretched: Array = (1 - share) * values.take(low, axis) + share * values.take(low + 1, axis)
    return stretched
