"""Names in the character sets that Dutch, French and German scanners send: right in the identity store, in no log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from ingest.admission import StoreStatus
from tests.integration.listening import (
    CT,
    CT_CONTEXT,
    STUDY,
    Station,
    encoded,
    listening,
    make_ct,
    make_station,
    own_database,
)
from tests.neighbours.raw_scu import RawSCU
from voorrang.clock import ManualClock
from voorrang.identity import StudyIdentity, look_up
from voorrang.logs import configure_logging

pytestmark = pytest.mark.integration

UTF_8 = "ISO_IR 192"
LATIN_1 = "ISO_IR 100"
LATIN_1_BY_ESCAPE = ["", "ISO 2022 IR 100"]
NAMES = [
    (UTF_8, "van der Bruggen-Coëlho^Zoë^Daniëlle"),
    (UTF_8, "Lefèvre^Hélène"),
    (UTF_8, "Çelik^Şükrü"),
    (UTF_8, "Müller^Jörg^^Dr."),
    (LATIN_1, "Geïnt^Noël"),
    (LATIN_1, "Buc^Jérôme"),
    (LATIN_1, "Äneas^Rüdiger Straße"),
    (LATIN_1_BY_ESCAPE, "Müller^Jürgen"),
    (LATIN_1_BY_ESCAPE, "Garçon^Anaïs"),
    (["ISO 2022 IR 6", "ISO 2022 IR 100"], "Reneé^Daniël"),
    ("ISO 2022 IR 100", "Schäfer^Käthe"),
    ("", "Jansen^Jan"),
]


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    with own_database(tmp_path) as database, listening(make_station(database, tmp_path / "data", clock)) as station:
        yield station


@contextmanager
def logging_as_a_service() -> Iterator[None]:
    """Log as a service does by default to what is stderr now, and put everything back."""
    levels = {name: logging.getLogger(name).level for name in (None, *logging.root.manager.loggerDict)}
    configure_logging("ingest", "INFO")
    try:
        yield
    finally:
        structlog.reset_defaults()
        logging.captureWarnings(False)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def identities(station: Station) -> dict[str, StudyIdentity]:
    station.take_in()
    with station.runtime.database.read() as connection:
        return look_up(connection, [f"{STUDY}.{number}" for number in range(len(NAMES) + 1)])


def test_accented_names_are_right_in_the_identity_store(station: Station) -> None:
    with RawSCU(station.port, [CT_CONTEXT]) as scu:
        for number, (character_set, name) in enumerate(NAMES):
            study = f"{STUDY}.{number}"
            ds = make_ct(
                1,
                SpecificCharacterSet=character_set,
                StudyInstanceUID=study,
                SeriesInstanceUID=f"{study}.1",
                PatientID=f"T-{number}",
                PatientName=name,
                StudyDescription=name.split("^")[0] if character_set else "CT",
            )
            assert scu.store(CT_CONTEXT, CT, ds.SOPInstanceUID, encoded(ds)) == StoreStatus.SUCCESS
    found = identities(station)
    assert [found[f"{STUDY}.{number}"].patient.name for number in range(len(NAMES))] == [name for _, name in NAMES]
    for number, (character_set, name) in enumerate(NAMES):
        assert not character_set or found[f"{STUDY}.{number}"].study_description == name.split("^")[0]


def test_latin_1_that_forgets_to_say_so_is_read_as_latin_1(station: Station) -> None:
    ds = make_ct(SpecificCharacterSet=LATIN_1, StudyInstanceUID=f"{STUDY}.0", PatientName="Lefèvre^Hélène")
    data_set = encoded(ds).replace(b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100", b"")
    assert b"ISO_IR" not in data_set
    with RawSCU(station.port, [CT_CONTEXT]) as scu:
        assert scu.store(CT_CONTEXT, CT, ds.SOPInstanceUID, data_set) == StoreStatus.SUCCESS
    assert identities(station)[f"{STUDY}.0"].patient.name == "Lefèvre^Hélène"


@pytest.mark.filterwarnings("ignore:.*(decod|encod|character set).*:UserWarning")
@pytest.mark.parametrize("character_set", [b"ISO_IR 999", b"ISO_IR 192"])
def test_a_name_that_is_not_in_the_character_set_it_claims_loses_no_image(
    station: Station, character_set: bytes
) -> None:
    ds = make_ct(SpecificCharacterSet=LATIN_1, StudyInstanceUID=f"{STUDY}.0", PatientName="Lefèvre^Hélène")
    data_set = encoded(ds).replace(b"ISO_IR 100", character_set)
    with RawSCU(station.port, [CT_CONTEXT]) as scu:
        assert scu.store(CT_CONTEXT, CT, ds.SOPInstanceUID, data_set) == StoreStatus.SUCCESS
    assert identities(station)[f"{STUDY}.0"].patient.name.startswith("Lef")


def test_no_log_holds_a_name_a_birth_date_an_id_or_a_uid(
    station: Station, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    good = make_ct(
        PatientName="Lefèvre^Hélène", PatientID="SECRET-7", PatientBirthDate="19511224", AccessionNumber="ACC-7"
    )
    other = make_ct(PatientName="Müller^Jürgen", PatientID="SECRET-7")
    no_study = make_ct(2, PatientName="Daniëlle^Zoë", StudyInstanceUID="")
    odd = encoded(make_ct(3, PatientName="Çelik^Şükrü", PatientBirthDate="19511224")).replace(b"19511224", b"Lefevre?")
    with logging_as_a_service(), RawSCU(station.port, [CT_CONTEXT]) as scu:
        statuses = [
            scu.store(CT_CONTEXT, CT, uid, data_set)
            for uid, data_set in [
                (str(good.SOPInstanceUID), encoded(good)),
                (str(other.SOPInstanceUID), encoded(other)),
                (str(no_study.SOPInstanceUID), encoded(no_study)),
                (f"{STUDY}.1.3", odd),
                ("Lefèvre/../Hélène", encoded(good)),
                (f"{STUDY}.1.99", encoded(good)),
                (f"{STUDY}.1.98", "Hélène Lefèvre".encode()),
            ]
        ]
        station.take_in()
        station.clock.advance(600)
        station.assembler.step()
        station.account()
    assert [f"{status:04X}" for status in statuses] == ["0000", "0000", "C000", "0000", "0117", "A900", "C000"]
    written = "".join(capsys.readouterr()) + caplog.text
    assert written.count("instance refused") == 4
    for word in ("Lef", "Hélène", "Müller", "Dani", "elik", "SECRET", "ACC-7", "19511224", STUDY, "1.2.840"):
        assert word not in written
