from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import func, select

from ingest.admission import Request, StoreStatus
from ingest.tables import instance, refusal
from tests.integration.listening import (
    CT,
    EXPLICIT_LITTLE,
    STUDY,
    Station,
    encoded,
    make_ct,
    make_station,
    own_database,
)
from voorrang.clock import ManualClock
from voorrang.purpose import Purpose

pytestmark = [
    pytest.mark.integration,
    # What pydicom says of broken bytes goes to the log in a running service.
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

INSTANCE = f"{STUDY}.1.1"
REQUEST = Request(CT, INSTANCE, "SCANNER", "VOORRANG")
MUTANTS = 250


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    with own_database(tmp_path) as database:
        yield make_station(database, tmp_path / "data", clock)


def mutant(data_set: bytes, rng: random.Random) -> bytes:
    """Return a data set with some bytes changed, cut out, doubled or cut off."""
    broken = bytearray(data_set)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(broken))
        how = rng.randrange(4)
        if how == 0:
            broken[at] = rng.randrange(256)
        elif how == 1:
            del broken[at : at + rng.randint(1, 8)]
        elif how == 2:
            broken[at:at] = broken[at : at + rng.randint(1, 8)]
        else:
            broken = broken[: max(1, at)] if rng.random() < 0.2 else broken
    return bytes(broken)


@pytest.mark.parametrize("seed", [1, 2])
def test_however_a_data_set_is_broken_it_is_stored_or_refused_with_a_code_and_accounted_for(
    station: Station, seed: int
) -> None:
    rng = random.Random(seed)
    whole = encoded(make_ct())
    statuses = [station.receiver.receive(REQUEST, EXPLICIT_LITTLE, mutant(whole, rng)) for _ in range(MUTANTS)]
    assert {StoreStatus.SUCCESS, StoreStatus.CANNOT_UNDERSTAND} <= set(statuses) <= set(StoreStatus)
    assert StoreStatus.OUT_OF_RESOURCES not in statuses
    station.take_in()
    station.account()
    assert REGISTRY.get_sample_value("voorrang_unaccounted_instances") == 0
    assert station.rows(select(func.count()).select_from(refusal))[0][0] == len(statuses) - statuses.count(
        StoreStatus.SUCCESS
    )


@pytest.mark.parametrize(
    ("element", "wrong"),
    [
        (b"DA\x08\x0020261122", b"FD\x08\x0020261122"),
        (b"LO\x04\x00T-1 ", b"US\x04\x00T-1 "),
        (b"SH\x04\x00A-1 ", b"FL\x04\x00A-1 "),
        (b"IS\x02\x001 ", b"IS\x02\x00??"),
        (b"CS\x02\x00F ", b"CS\x02\x00\xff\xff"),
    ],
)
def test_an_element_of_the_wrong_kind_loses_no_image(station: Station, element: bytes, wrong: bytes) -> None:
    data_set = encoded(make_ct())
    assert data_set.count(element) == 1
    assert station.receiver.receive(REQUEST, EXPLICIT_LITTLE, data_set.replace(element, wrong)) == StoreStatus.SUCCESS
    station.take_in()
    assert len(station.rows(select(instance))) == 1


@pytest.mark.parametrize("called", ["VOORRANG", " VOORRANG ", "VOORRANG-QA"])
@pytest.mark.parametrize(
    "elements", [{"PatientComments": "QA"}, {"ImageComments": "demo"}, {"InstitutionName": "replay"}]
)
def test_nothing_in_the_data_set_gives_a_purpose(
    tmp_path: Path, clock: ManualClock, called: str, elements: dict[str, Any]
) -> None:
    titles = {"VOORRANG": Purpose.CLINICAL, "VOORRANG-QA": Purpose.QA}
    with own_database(tmp_path) as database:
        station = make_station(database, tmp_path / "data", clock, ae_titles=titles)
        station.receive(make_ct(**elements), called=called)
        station.take_in()
        assert station.study().purpose is titles[called.strip()]


def test_an_instance_without_a_patient_id_is_nobody_elses(station: Station) -> None:
    other = f"{STUDY}.7"
    station.receive(
        make_ct(1, PatientID=""), make_ct(1, PatientID="", StudyInstanceUID=other, SeriesInstanceUID=f"{other}.1")
    )
    station.take_in()
    assert station.study().patient_key != station.study(other).patient_key


def test_the_issuer_in_the_data_set_goes_before_the_senders_default(station: Station) -> None:
    station.receive(make_ct(1, IssuerOfPatientID=" HOSPITAL-A ", PatientID=" T-1 "))
    station.take_in()
    assert station.study().patient_key == station.runtime.keys.patient_key("HOSPITAL-A", "T-1")


def test_a_nul_inside_a_text_reaches_no_row(station: Station) -> None:
    data_set = encoded(make_ct(StudyDescription="CT he.d", SeriesDescription="a.b")).replace(b"he.d", b"he\0d")
    assert station.receiver.receive(REQUEST, EXPLICIT_LITTLE, data_set.replace(b"a.b", b"a\0b")) == StoreStatus.SUCCESS
    station.take_in()
    header = station.rows(select(instance.c.header))[0][0]
    assert (header["study_description"], header["series_description"]) == ("CT hed", "ab")
