from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.listening import own_database
from voorrang.database import Database
from voorrang.identity import PatientIdentity, StudyIdentity, look_up, remember

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
PATIENT = PatientIdentity("p_1", "T-1", "HOSPITAL", "Jansen^Jan", "19600101", "M")
STUDY = StudyIdentity("1.2.3", PATIENT, "o_1", "A-1", "HOSPITAL", "CT hersenen")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with own_database(tmp_path) as opened:
        yield opened


def write(database: Database, identity: StudyIdentity, minutes: float = 0) -> None:
    with database.write() as connection:
        remember(connection, identity, NOW + timedelta(minutes=minutes))


def found(database: Database, study: str = "1.2.3") -> StudyIdentity:
    with database.read() as connection:
        return look_up(connection, [study])[study]


def named(name: str) -> StudyIdentity:
    return replace(STUDY, patient=replace(PATIENT, name=name))


def test_what_was_remembered_is_found(database: Database) -> None:
    write(database, STUDY)
    assert found(database) == STUDY


def test_a_study_that_nobody_knows_is_left_out(database: Database) -> None:
    write(database, STUDY)
    with database.read() as connection:
        assert set(look_up(connection, ["1.2.3", "1.2.4"])) == {"1.2.3"}
        assert look_up(connection, []) == {}


def test_a_newer_name_replaces_an_older_in_every_study_of_the_patient(database: Database) -> None:
    write(database, STUDY)
    write(database, replace(named("Jansen-de Vries^Jan"), study_instance_uid="1.2.4"), minutes=1)
    assert found(database).patient.name == "Jansen-de Vries^Jan"
    assert found(database, "1.2.4").patient.name == "Jansen-de Vries^Jan"


def test_an_older_name_that_is_told_later_replaces_nothing(database: Database) -> None:
    write(database, named("New^Name"), minutes=5)
    write(database, named("Old^Name"), minutes=1)
    assert found(database).patient.name == "New^Name"


def test_a_name_that_was_told_again_is_as_new_as_the_last_time(database: Database) -> None:
    write(database, named("New^Name"), minutes=0)
    write(database, named("New^Name"), minutes=5)
    write(database, named("Old^Name"), minutes=1)
    assert found(database).patient.name == "New^Name"


def test_an_object_that_leaves_elements_out_takes_nothing_away(database: Database) -> None:
    write(database, STUDY)
    bare = PatientIdentity(PATIENT.patient_key, "T-1", "HOSPITAL", "", "", "")
    write(database, replace(STUDY, patient=bare), minutes=1)
    assert found(database) == STUDY


def test_what_was_left_out_is_filled_in_even_by_an_older_word(database: Database) -> None:
    write(database, replace(STUDY, patient=replace(PATIENT, birth_date="")), minutes=1)
    write(database, STUDY)
    assert found(database).patient.birth_date == "19600101"


def test_whose_a_study_is_and_who_asked_for_it_stay_as_first_told(database: Database) -> None:
    write(database, STUDY)
    stranger = replace(PATIENT, patient_key="p_2", name="Somebody^Else")
    write(database, replace(STUDY, patient=stranger, order_key="o_2", accession_number="A-2"), minutes=1)
    assert found(database) == STUDY


def test_the_order_of_two_words_on_a_patient_does_not_matter(tmp_path: Path) -> None:
    words = [(named("First^Name"), 0.0), (replace(STUDY, patient=replace(PATIENT, name="Last^Name", sex="")), 1.0)]
    outcomes = []
    for order in (words, words[::-1]):
        with own_database(tmp_path) as database:
            for identity, minutes in order:
                write(database, identity, minutes)
            outcomes.append(found(database))
    assert outcomes[0] == outcomes[1]


def test_longer_than_the_standard_allows_is_cut_and_not_lost(database: Database) -> None:
    write(database, replace(named("x" * 1000), study_description="y" * 1000))
    assert found(database).patient.name == "x" * 512
    assert found(database).study_description == "y" * 256
