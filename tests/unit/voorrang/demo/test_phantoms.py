"""The phantoms: known HU at known places, the same for the same seed, and series that DICOM readers take."""

from __future__ import annotations

import io
import random
from datetime import UTC, date, datetime
from functools import cache

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from voorrang.demo.phantoms.canvas import Phantom
from voorrang.demo.phantoms.chest import LUNG_HU, Nodule, make_chest
from voorrang.demo.phantoms.head import Bleed, make_head
from voorrang.demo.phantoms.quality import INSERTS_HU, insert_position_mm, make_water_phantom
from voorrang.demo.phantoms.series import Person, StudyContext, make_series
from voorrang.demo.studies import HEAD, QUALITY, DemoStudy, demo_studies, disguised_quality_study
from voorrang.dicom.header_reading import header_from_dataset
from voorrang.dicom.headers import Vector

ACQUIRED_AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
STUDY = StudyContext(Person("Lefèvre^Zoë", "X1", date(1950, 11, 23), "F"), "A0000001", ACQUIRED_AT)
NODULES = (
    Nodule((-75.0, -10.0, 140.0), 14.0),
    Nodule((80.0, 35.0, 60.0), 10.0, is_attached=True),
    Nodule((70.0, 25.0, 120.0), 20.0, hu=-500.0),
)


@cache
def make_normal_head() -> Phantom:
    return make_head(1, yaw_degrees=0.0, roll_degrees=0.0)


@cache
def make_bleeding_head() -> Phantom:
    return make_head(1, Bleed((30.0, 5.0, 18.0), 28.0, 68.0), yaw_degrees=0.0, roll_degrees=0.0)


@cache
def make_nodule_chest() -> Phantom:
    return make_chest(1, NODULES)


@cache
def make_demo_list() -> tuple[DemoStudy, ...]:
    return tuple(demo_studies(ACQUIRED_AT))


def mean_hu(phantom: Phantom, position_mm: Vector, reach: int = 2) -> float:
    """Mean of a square of the nearest slice, `reach` pixels to each side."""
    s, r, c = phantom.grid.index_of(position_mm)
    return float(phantom.voxels_hu[s, r - reach : r + reach + 1, c - reach : c + reach + 1].mean())


def make_head_series(phantom: Phantom) -> list[Dataset]:
    return make_series(phantom, HEAD, STUDY, random.Random(5))


def read_back(ds: Dataset) -> Dataset:
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    return pydicom.dcmread(buffer)


@pytest.mark.parametrize(
    ("position_mm", "low", "high"),
    [
        ((-38.0, 30.0, 30.0), 24.0, 36.0),  # white matter
        ((11.0, 12.0, 8.0), 34.0, 42.0),  # thalamus
        ((100.0, -100.0, 20.0), -1003.0, -997.0),  # air
    ],
)
def test_head_has_known_density_at_known_places(position_mm: Vector, low: float, high: float) -> None:
    assert low < mean_hu(make_normal_head(), position_mm, 4) < high


def test_skull_closes_around_the_brain_in_the_upper_slices() -> None:
    phantom = make_normal_head()
    for z in (0.0, 20.0, 40.0):
        s, r, c = phantom.grid.index_of((0.0, 0.0, z))
        plane = phantom.voxels_hu[s]
        for ray in (plane[r, :c], plane[r, c:], plane[:r, c], plane[r:, c]):
            assert ray.max() > 700


def test_bleed_changes_its_surroundings_and_nothing_else() -> None:
    normal, bleeding = make_normal_head(), make_bleeding_head()
    truth = bleeding.truth[0]
    assert mean_hu(bleeding, truth.position_mm, 5) == pytest.approx(68.0, abs=2.0)
    assert mean_hu(normal, truth.position_mm, 5) < 45
    x, y, z = normal.grid.axes_mm()
    far = np.sqrt((x - 30) ** 2 + (y - 5) ** 2 + (z - 18) ** 2) > 35
    assert np.array_equal(normal.voxels_hu[far], bleeding.voxels_hu[far])


def test_bleed_outside_the_brain_is_an_error() -> None:
    with pytest.raises(ValueError, match="outside the brain"):
        make_head(1, Bleed((85.0, 0.0, 10.0)))


def test_noise_of_the_head_is_that_of_a_routine_scan() -> None:
    phantom = make_normal_head()
    box = phantom.grid.box_around((-38.0, 30.0, 30.0), 4.0)
    assert 3.0 < float(phantom.voxels_hu[box].std()) < 7.0


def test_chest_has_known_density_at_known_places() -> None:
    phantom = make_nodule_chest()
    assert mean_hu(phantom, phantom.truth[0].position_mm) == pytest.approx(30.0, abs=10.0)
    assert mean_hu(phantom, phantom.truth[2].position_mm) == pytest.approx(-500.0, abs=60.0)
    assert mean_hu(phantom, (0.0, 5.0, 170.0)) == pytest.approx(-1000.0, abs=10.0)  # trachea
    assert mean_hu(phantom, (24.0, -32.0, 58.0)) == pytest.approx(40.0, abs=8.0)  # heart
    lung = phantom.voxels_hu[(phantom.voxels_hu > -960) & (phantom.voxels_hu < -700)]
    assert float(np.median(lung)) == pytest.approx(LUNG_HU, abs=15)


def test_attached_nodule_sits_on_the_wall() -> None:
    phantom = make_nodule_chest()
    x, y, z = phantom.truth[1].position_mm
    assert x > 100
    assert mean_hu(phantom, (x, y, z), 1) > -50
    assert mean_hu(phantom, (x + 6.0, y, z), 1) > -50
    assert mean_hu(phantom, (x - 12.0, y, z), 1) < -600


def test_nodule_outside_the_lungs_is_an_error() -> None:
    with pytest.raises(ValueError, match="outside the lungs"):
        make_chest(1, (Nodule((0.0, 0.0, 60.0), 10.0),))


def test_chest_covers_at_least_240_mm_and_a_head_130_mm() -> None:
    assert make_nodule_chest().grid.shape[0] * 3.0 >= 240
    assert make_normal_head().grid.shape[0] * 5.0 >= 130


def test_water_phantom_holds_water_and_its_inserts() -> None:
    phantom = make_water_phantom(1)
    assert mean_hu(phantom, (0.0, 0.0, 0.0), 20) == pytest.approx(0.0, abs=1.0)
    for number, hu in enumerate(INSERTS_HU.values()):
        x, y = insert_position_mm(number)
        assert mean_hu(phantom, (x, y, 0.0)) == pytest.approx(hu, abs=3.0)


def test_same_seed_gives_the_same_voxels_and_another_seed_others() -> None:
    assert np.array_equal(make_chest(1, NODULES).voxels_hu, make_nodule_chest().voxels_hu)
    assert np.array_equal(make_head(4).voxels_hu, make_head(4).voxels_hu)
    assert not np.array_equal(make_water_phantom(4).voxels_hu, make_water_phantom(5).voxels_hu)


def test_series_read_back_is_a_whole_ct_series() -> None:
    phantom = make_bleeding_head()
    back = [read_back(ds) for ds in make_head_series(phantom)]
    first, second = back[0], back[1]
    assert str(first.PatientName) == "Lefèvre^Zoë"
    assert first.SpecificCharacterSet == "ISO_IR 192"
    assert first.PatientAge == "075Y"  # the day before the 76th birthday
    assert (first.StudyDate, first.StudyTime) == ("20261122", "093000")
    assert (first.IssuerOfPatientID, first.AccessionNumber) == ("AZVOORBEELD", "A0000001")
    assert [ds.InstanceNumber for ds in back] == list(range(1, len(back) + 1))
    assert second.ImagePositionPatient[2] - first.ImagePositionPatient[2] == pytest.approx(5.0)
    assert len({ds.SOPInstanceUID for ds in back}) == len(back)
    assert len({(ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID) for ds in back}) == 1
    assert all(is_identified_by_uuids(ds) for ds in back)
    hu = first.pixel_array.astype(np.int32) * int(first.RescaleSlope) + int(first.RescaleIntercept)
    assert np.array_equal(hu, phantom.voxels_hu[0])


def is_identified_by_uuids(ds: Dataset) -> bool:
    uids = (ds.SOPInstanceUID, ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.FrameOfReferenceUID)
    return all(uid.startswith("2.25.") and uid.is_valid for uid in uids)


def test_header_has_what_later_steps_ask_for() -> None:
    header = header_from_dataset(make_head_series(make_normal_head())[0], "1.2.840.10008.1.2.1")
    missing = {key for key in header.__slots__ if key not in header.to_json()}
    assert missing == {"number_of_frames", "contrast_bolus_agent"}
    assert header.image_type == ("ORIGINAL", "PRIMARY", "AXIAL")


def test_series_with_and_without_bleed_differ_in_pixels_alone() -> None:
    pairs = zip(make_head_series(make_normal_head()), make_head_series(make_bleeding_head()), strict=True)
    differing = set()
    for normal, bleeding in pairs:
        differing |= {e.keyword for e in normal if e != bleeding[e.tag]}
        assert set(normal.keys()) == set(bleeding.keys())
    assert differing == {"PixelData"}


def test_element_set_on_one_instance_leaves_the_others() -> None:
    first, second, *_ = make_head_series(make_normal_head())
    first.PatientID = "other"
    assert second.PatientID == "X1"


def test_demo_list_ends_with_the_bleed() -> None:
    studies = make_demo_list()
    assert [study.name for study in studies] == [
        "chest-normal",
        "chest-nodules",
        "head-normal",
        "quality-phantom",
        "head-normal-2",
        "head-bleed",
    ]
    assert [study.is_urgent for study in studies] == [False] * 5 + [True]
    assert [len(study.truth) for study in studies] == [0, 2, 0, 0, 0, 1]
    times = [study.instances[0].StudyDate + study.instances[0].StudyTime for study in studies]
    assert times == sorted(times)
    assert times[-1] == "20261122093000"


def test_demo_studies_are_of_different_people_and_orders() -> None:
    firsts = [study.instances[0] for study in make_demo_list()]
    for keyword in ("PatientID", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID"):
        assert len({ds[keyword].value for ds in firsts}) == len(firsts)


def test_quality_phantom_says_so_and_its_disguise_does_not() -> None:
    open_one = make_demo_list()[3].instances[0]
    assert (str(open_one.PatientName), open_one.ProtocolName) == ("QA^Phantom", QUALITY.protocol_name)
    disguised = disguised_quality_study(ACQUIRED_AT).instances[0]
    assert disguised.BodyPartExamined == "HEAD"
    words = " ".join(str(e.value) for e in disguised if e.VR in ("LO", "PN", "SH", "LT", "ST")).upper()
    assert "QA" not in words
    assert "PHANTOM" not in words
