from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.assembly import assemble
from inference.resampling import OUTSIDE_HU, evenly_spaced, straightened
from inference.volume import Volume
from tests.unit.inference.instances import InMemorySeries, make_instance
from voorrang.dicom.geometry import series_geometry
from voorrang.dicom.headers import Vector

SHAPE = (72, 60)
PIXEL_MM = (0.9, 0.6)  # between rows, between columns
LESION_MM: Vector = (12.0, -31.0, 17.0)
RADIUS_MM = 6.0
Array = npt.NDArray[np.float64]


def planes(tilt_degrees: float, heights_mm: list[float]) -> tuple[Array, Array, list[Array]]:
    """Row and column direction, and the position of each slice: the table moves along z, the gantry leans."""
    angle = math.radians(tilt_degrees)
    row, column = np.array([1.0, 0.0, 0.0]), np.array([0.0, math.cos(angle), -math.sin(angle)])
    centre = [-row * 0.3 * SHAPE[1] + np.array([LESION_MM[0], LESION_MM[1], 0.0]) - column * 0.45 * SHAPE[0]]
    return row, column, [centre[0] + np.array([0.0, 0.0, z]) for z in heights_mm]


def tilted_phantom(tilt_degrees: float, heights_mm: list[float]) -> InMemorySeries:
    """A ball of 1000 HU in air at a known place in the patient, in slices as a tilted gantry makes them."""
    row, column, positions = planes(tilt_degrees, heights_mm)
    r, c = np.mgrid[: SHAPE[0], : SHAPE[1]]
    instances = []
    for number, position in enumerate(positions, start=1):
        points = position + r[..., None] * PIXEL_MM[0] * column + c[..., None] * PIXEL_MM[1] * row
        distance = np.linalg.norm(points - np.array(LESION_MM), axis=-1)
        hu = -1000 + 2000 * np.clip((RADIUS_MM - distance) / 0.8 + 0.5, 0, 1)
        instances.append(
            make_instance(
                (hu + 1024).astype(np.uint16),
                number=number,
                position_mm=(float(position[0]), float(position[1]), float(position[2])),
                orientation=[*row, *column],
                pixel_spacing_mm=PIXEL_MM,
            )
        )
    return InMemorySeries(instances)


def lesion_in(volume: Volume) -> Vector:
    """The centre of mass of what is bright, by its indices, in the patient."""
    weight = np.clip(volume.voxels_hu.astype(np.float64) + 1000, 0, None)
    index = [(np.moveaxis(weight, axis, 0).sum(axis=(1, 2)) * np.arange(weight.shape[axis])).sum() for axis in range(3)]
    a, b, c = (float(value / weight.sum()) for value in index)
    return volume.to_patient_mm((a, b, c))


def errors_mm(volume: Volume) -> list[float]:
    return [abs(found - true) for found, true in zip(lesion_in(volume), LESION_MM, strict=True)]


EVEN = [4.0 * k for k in range(10)]
UNEVEN = [*(2.5 * k for k in range(6)), *(12.5 + 5.0 * k for k in range(1, 6))]


@pytest.mark.parametrize("tilt", [0.0, 18.5, -25.0])
@pytest.mark.parametrize("heights", [EVEN, UNEVEN, EVEN[::-1]])
def test_a_lesion_lies_within_half_a_pixel_of_its_place_in_the_patient(tilt: float, heights: list[float]) -> None:
    series = tilted_phantom(tilt, heights)
    geometry = series_geometry(series.headers)
    assert geometry.tilt_degrees == pytest.approx(abs(tilt), abs=1e-3)
    volume = assemble(series.headers, geometry, series.open_instance)
    assert max(errors_mm(volume)) < min(PIXEL_MM) / 2


@pytest.mark.parametrize("tilt", [18.5, -25.0])
@pytest.mark.parametrize("heights", [EVEN, UNEVEN])
def test_it_lies_there_when_the_tilt_is_undone_and_the_axes_are_at_right_angles(
    tilt: float, heights: list[float]
) -> None:
    series = tilted_phantom(tilt, heights)
    volume = assemble(series.headers, series_geometry(series.headers), series.open_instance)
    upright = straightened(volume)
    assert max(errors_mm(upright)) < min(PIXEL_MM) / 2
    step, row, column = (np.array(v) for v in (upright.slice_step_mm, upright.row_step_mm, upright.column_step_mm))
    assert (step @ row, step @ column) == pytest.approx((0, 0), abs=1e-9)
    # The slices of a tilted gantry lie closer together than the table moves.
    assert np.linalg.norm(step) == pytest.approx(volume.spacing_mm[0] * math.cos(math.radians(tilt)))


def test_what_a_sheared_array_makes_of_a_ball_is_a_ball_again() -> None:
    """Second moments along (slice, row): their correlation is the shear."""
    series = tilted_phantom(25.0, [1.5 * k for k in range(24)])
    volume = assemble(series.headers, series_geometry(series.headers), series.open_instance)

    def correlation(of: Volume) -> float:
        index = np.argwhere(of.voxels_hu > 0)[:, :2] * np.array(of.spacing_mm[:2])
        return float(np.corrcoef(index.T)[0, 1])

    assert abs(correlation(volume)) > 0.3
    assert abs(correlation(straightened(volume))) < 0.05


def test_a_stack_without_tilt_is_given_back_as_it_is() -> None:
    series = tilted_phantom(0.0, EVEN)
    volume = assemble(series.headers, series_geometry(series.headers), series.open_instance)
    assert straightened(volume) is volume


@settings(max_examples=30, deadline=None)
@given(shear=st.tuples(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5)), n=st.integers(2, 6))
def test_every_voxel_of_the_upright_volume_has_the_value_of_its_place(shear: tuple[float, float], n: int) -> None:
    """A field that is linear in the patient is what linear interpolation gives exactly."""
    rows, columns, gradient = 9, 11, np.array([3.0, -2.0, 5.0])
    step = np.array([shear[1] * 0.5, shear[0] * 0.7, 2.0])
    k, r, c = np.mgrid[:n, :rows, :columns]
    points = k[..., None] * step + r[..., None] * np.array([0, 0.7, 0]) + c[..., None] * np.array([0.5, 0, 0])
    volume = Volume(
        (points @ gradient).astype(np.float32),
        (0.0, 0.0, 0.0),
        (float(step[0]), float(step[1]), float(step[2])),
        (0.0, 0.7, 0.0),
        (0.5, 0.0, 0.0),
    )
    upright = straightened(volume)
    mask = Volume(np.ones_like(volume.voxels_hu) - OUTSIDE_HU - 1, *_places(volume))
    inside = straightened(mask).voxels_hu > -OUTSIDE_HU - 1e-3
    assert inside.any()
    for index in np.argwhere(inside)[::7]:
        a, b, d = (float(value) for value in index)
        expected = float(np.array(upright.to_patient_mm((a, b, d))) @ gradient)
        assert upright.voxels_hu[tuple(index)] == pytest.approx(expected, abs=2e-3)


def _places(volume: Volume) -> tuple[Vector, Vector, Vector, Vector]:
    return volume.origin_mm, volume.slice_step_mm, volume.row_step_mm, volume.column_step_mm


def test_uneven_slices_become_even_ones_by_hand_counted_weights() -> None:
    voxels = np.array([0.0, 10.0, 40.0], np.float32).reshape(3, 1, 1)
    made = evenly_spaced(voxels, np.array([0.0, 2.0, 5.0]), 2.0)
    assert made.ravel().tolist() == pytest.approx([0, 10, 30])  # at 0, 2 and 4 mm


def test_thin_slices_among_thicker_ones_are_all_seen_as_much() -> None:
    heights = np.array([*np.arange(12) * 2.5, *(27.5 + 5.0 * np.arange(1, 17))])  # a skull base, and a vertex
    slices = np.eye(len(heights), dtype=np.float32).reshape(len(heights), len(heights), 1)
    seen = evenly_spaced(slices, heights, 5.0).sum(axis=0).ravel()
    assert seen[2:10] == pytest.approx(0.5)  # half as thick as the others
    assert seen[13:-1] == pytest.approx(1.0)
    assert seen.min() >= 0.25


@given(st.lists(st.floats(0.5, 5.0), min_size=3, max_size=40), st.floats(-500, 500))
def test_every_slice_is_seen_and_what_rises_evenly_stays_as_it_is(gaps: list[float], first: float) -> None:
    heights = first + np.concatenate([[0.0], np.cumsum(gaps)])
    spacing = float(np.median(gaps))
    slices = np.eye(len(heights), dtype=np.float32).reshape(len(heights), len(heights), 1)
    made = evenly_spaced(slices, heights, spacing)[:, :, 0]
    assert (made.sum(axis=0) > 0.01).all()
    assert made.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    wanted = first + spacing * np.arange(len(made))
    assert abs(wanted[-1] - heights[-1]) <= spacing / 2 + 1e-5
    inside = (wanted >= heights[0] + spacing / 2) & (wanted <= heights[-1] - spacing / 2)
    assert (made @ heights.astype(np.float32))[inside] == pytest.approx(wanted[inside], abs=1e-2)
