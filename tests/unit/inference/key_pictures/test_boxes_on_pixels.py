"""A lesion at a known place: found in the volume, told in patient coordinates, drawn in the picture, each by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from inference.model import LocatedFinding, Opinion
from inference.reading import read_with_all
from inference.volume import Volume
from tests.unit.inference.key_pictures.phantoms import HU_PER_MM, LESION_HU, Phantom, turned
from voorrang.pathways.criteria import SeriesCriteria

EVEN = tuple(2.5 * k for k in range(16))
DOWNWARDS = EVEN[::-1]
TWO_BLOCKS = (*(1.5 * k for k in range(14)), *(19.5 + 3.0 * k for k in range(1, 8)))
X, Y, Z = np.eye(3)
WINDOW_HU = (0.0, 253.0)  # a grey of the picture is then a Hounsfield unit
LONG_SIDE, BOX_INDEX, WHITE = 384, 254, 253


@dataclass(frozen=True)
class Bright:
    """Marks what is bright, from edge to edge of its voxels."""

    model_id, version, weights_digest, operating_point = "bright", "1", "0", 0.5
    scope = SeriesCriteria(region="head", max_tilt_degrees=90.0, whole_organ=False, window_hu=WINDOW_HU)

    def read(self, volume: Volume) -> Opinion:
        """Return one finding."""
        found = np.argwhere(volume.voxels_hu > LESION_HU / 2).astype(np.float64)
        low, high = volume.box_of(found)
        middle = (np.array(low) + np.array(high)) / 2
        position = (float(middle[0]), float(middle[1]), float(middle[2]))
        return Opinion(0.9, (LocatedFinding("lesion", 0.9, position, None, (low, high)),))


def axial(tilt: float = 0.0, heights: tuple[float, ...] = EVEN, pixel: tuple[float, float] = (0.9, 0.6)) -> Phantom:
    """The gantry leans about x while the table moves along z, as on GE's and Siemens' scanners of the time."""
    lean = turned("x", tilt)
    return Phantom(X, lean @ Y, Z / (lean @ Z)[2], heights, pixel, (48, 60))


def turned_all(phantom: Phantom, turn: npt.NDArray[np.float64]) -> Phantom:
    return replace(
        phantom,
        along_row=turn @ phantom.along_row,
        along_column=turn @ phantom.along_column,
        step_mm=turn @ phantom.step_mm,
    )


OBLIQUE = turned("z", 14.0) @ turned("y", -21.0) @ turned("x", 37.0)
PHANTOMS = {
    "axial": axial(),
    "axial, columns wider than rows": axial(pixel=(0.5, 0.95)),
    "axial, numbered downwards": axial(heights=DOWNWARDS),
    "prone": turned_all(axial(), turned("z", 180.0)),
    "feet first": turned_all(axial(), turned("y", 180.0)),
    "tilt of 18.5 degrees": axial(18.5),
    "tilt of -25 degrees": axial(-25.0),
    "tilt, numbered downwards": axial(12.0, DOWNWARDS),
    "tilt, columns wider than rows": axial(20.0, pixel=(0.5, 0.95)),
    "tilt, two blocks": axial(18.5, TWO_BLOCKS),
    "two blocks": axial(0.0, TWO_BLOCKS),
    "sagittal": Phantom(Y, -Z, X, EVEN, (0.9, 0.6), (48, 60)),
    "coronal, narrow": Phantom(X, -Z, -Y, EVEN, (0.7, 0.7), (64, 40)),
    "oblique": turned_all(axial(), OBLIQUE),
    "oblique and sheared": turned_all(axial(-18.5), OBLIQUE),
}
HALVES_MM = (5.13, 6.21, 5.9)


@pytest.fixture(params=list(PHANTOMS), scope="module")
def case(request: pytest.FixtureRequest) -> Case:
    """One phantom, read with its picture."""
    phantom = PHANTOMS[request.param]
    k = len(phantom.heights_mm) // 2
    centre = phantom.position(k) + 14.3 * phantom.along_row + 17.9 * phantom.along_column + 0.4 * phantom.normal
    series = phantom.series(centre, HALVES_MM)
    model = Bright()
    ((_, outcome),) = read_with_all({"bright": model}, series.headers, series.open_instance, with_pictures=True)
    assert outcome.opinion is not None, outcome.message
    (finding,), (png,) = outcome.opinion.findings, outcome.pictures
    assert png is not None
    return Case(phantom, centre, finding, np.array(Image.open(BytesIO(png))))


@dataclass(frozen=True)
class Case:
    """What went in and what came out."""

    phantom: Phantom
    centre_mm: npt.NDArray[np.float64]
    finding: LocatedFinding
    picture: npt.NDArray[np.uint8]

    @property
    def shown(self) -> int:
        """The slice that lies nearest to the lesion, by hand."""
        phantom = self.phantom
        away = [abs((self.centre_mm - phantom.position(k)) @ phantom.normal) for k in range(len(phantom.heights_mm))]
        return int(np.argmin(away))

    def pixels(self, place_mm: npt.NDArray[np.float64]) -> tuple[float, float]:
        """Row and column, with fractions, of a place in the slice that is shown: the formula of the phantom, solved."""
        phantom = self.phantom
        off = place_mm - phantom.position(self.shown)
        return (
            float(off @ phantom.along_column) / phantom.pixel_mm[0],
            float(off @ phantom.along_row) / phantom.pixel_mm[1],
        )

    @property
    def per_pixel(self) -> tuple[float, float]:
        """Pixels of the picture to a row and to a column of the slice."""
        (rows, columns), (between_rows, between_columns) = self.phantom.shape, self.phantom.pixel_mm
        per_mm = LONG_SIDE / max(rows * between_rows, columns * between_columns)
        return (per_mm * between_rows, per_mm * between_columns)


def test_the_box_has_the_corners_of_the_lesion_in_the_patient(case: Case) -> None:
    assert case.finding.box_mm is not None
    low, high = (np.array(corner) - case.centre_mm for corner in case.finding.box_mm)
    phantom = case.phantom
    allowed = (phantom.pixel_mm[1], phantom.pixel_mm[0], max(abs(np.diff(phantom.heights_mm))))
    for direction, half, one_voxel in zip(
        (phantom.along_row, phantom.along_column, phantom.normal), HALVES_MM, allowed, strict=True
    ):
        edges = sorted((low @ direction, high @ direction))
        assert edges == pytest.approx([-half, half], abs=one_voxel)


def test_its_middle_is_less_than_a_pixel_from_that_of_the_lesion(case: Case) -> None:
    off = np.array(case.finding.position_mm) - case.centre_mm
    assert abs(off @ case.phantom.along_row) < case.phantom.pixel_mm[1]
    assert abs(off @ case.phantom.along_column) < case.phantom.pixel_mm[0]


def test_the_picture_shows_the_slice_that_lies_nearest(case: Case) -> None:
    phantom = case.phantom
    above_first = (case.centre_mm - phantom.position(0)) @ phantom.normal / (phantom.step_mm @ phantom.normal)
    wanted_mm = float(above_first) + phantom.heights_mm[0]
    between_mm = float(np.median(np.abs(np.diff(phantom.heights_mm))))
    assert case.picture[8, 8] / HU_PER_MM == pytest.approx(wanted_mm, abs=between_mm / 2 + 1 / HU_PER_MM)


def test_the_box_is_drawn_around_the_pixels_of_the_lesion(case: Case) -> None:
    """The inner edges of the line, against what the formula of the phantom says; less than one pixel of the slice."""
    line = np.argwhere(case.picture == BOX_INDEX)
    inner = line.min(axis=0) + 2, line.max(axis=0) - 1  # the line is two pixels wide
    phantom = case.phantom
    reach = HALVES_MM[0] * phantom.along_row + HALVES_MM[1] * phantom.along_column
    corners = [case.pixels(case.centre_mm - reach), case.pixels(case.centre_mm + reach)]
    for axis in range(2):
        for edge, truth in zip((inner[0][axis], inner[1][axis]), sorted(c[axis] for c in corners), strict=True):
            assert edge / case.per_pixel[axis] - 0.5 == pytest.approx(truth, abs=1.0)


def test_what_is_bright_in_the_picture_lies_in_the_middle_of_the_box(case: Case) -> None:
    """Without any geometry: two things seen in the same picture."""
    line = np.argwhere(case.picture == BOX_INDEX)
    image = case.picture[:-18]
    lesion = np.argwhere(image >= WHITE - 20)
    inside = (lesion > line.min(axis=0)).all(axis=1) & (lesion < line.max(axis=0)).all(axis=1)
    lesion = lesion[inside & (image[tuple(lesion.T)] != BOX_INDEX)]
    assert len(lesion) > 100
    apart = np.abs(lesion.mean(axis=0) - (line.min(axis=0) + line.max(axis=0)) / 2)
    assert (apart / np.array(case.per_pixel) < 1.0).all()
