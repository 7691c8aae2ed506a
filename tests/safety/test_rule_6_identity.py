"""Rule 6: who a patient is lies in one store; events, logs and metrics carry keys that give nothing away."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from sqlalchemy import select

from ingest.identities import study_identity
from ingest.listening.entries import instance_entry
from ingest.listening.heads import HeadIndex, IndexedHead
from ingest.received import read_head, received_head
from tests.heads import EXPLICIT, SYNTAXES, encode, make_head, make_item, part10
from tests.integration.worklist_world import (
    KEYS,
    World,
    consuming,
    logging_restored,
    make_answer,
    make_confirmation,
    make_event,
    make_study,
    serving,
    uid,
    wait_for,
)
from voorrang.archive.instance_files import Stored
from voorrang.bus import Message
from voorrang.commands.migrate import prepare
from voorrang.dicom.header_scanning import scan_head
from voorrang.errors import ConfigurationError
from voorrang.events.envelope import encode as encode_event
from voorrang.events.records import ScoringState
from voorrang.identifiers import SiteKeys
from voorrang.logs import UID_PATTERN, configure_logging, get_logger
from voorrang.runtime import hold_site
from voorrang.settings import Settings
from voorrang.tables import outbox

NAME, BIRTH_DATE, PATIENT_ID, ACCESSION = "Testnaam^Alida", "19511213", "ID000001", "ACC000001"
PRIVATE = ("Testnaam", "Alida", BIRTH_DATE, "1951-12-13", PATIENT_ID, ACCESSION)
RECEIVED_AT = datetime(2026, 11, 30, 8, tzinfo=UTC)
ids = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)


def test_another_secret_is_refused(world: World) -> None:
    settings = world.runtime.settings
    with world.database.write() as connection:
        hold_site(connection, KEYS, settings)
        with pytest.raises(ConfigurationError, match="another secret fingerprint; restore site-secret from backup"):
            hold_site(connection, SiteKeys(b"another secret of the same length"), settings)
        hold_site(connection, KEYS, settings)


def test_lost_secret_of_a_known_database_is_not_made_anew(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    prepare(settings)
    first = settings.secret_file.read_bytes()
    prepare(settings)
    assert settings.secret_file.read_bytes() == first
    assert settings.secret_file.stat().st_mode & 0o077 == 0

    settings.secret_file.unlink()
    with pytest.raises(ConfigurationError, match="restore it from backup"):
        prepare(settings)
    assert not settings.secret_file.exists()
    settings.secret_file.write_text("f" * 64)
    with pytest.raises(ConfigurationError, match="another secret fingerprint"):
        prepare(settings)


def test_fingerprint_gives_the_secret_not_away() -> None:
    assert KEYS.secret.hex() not in KEYS.fingerprint()
    assert KEYS.secret.decode() not in KEYS.fingerprint()


@pytest.mark.parametrize("padded", ["ID000001", " ID000001", "ID000001   ", "ID000001\0"])
def test_dicom_and_hl7_give_one_key(padded: str) -> None:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.StudyInstanceUID, ds.PatientName = uid(1), NAME
    ds.PatientID, ds.IssuerOfPatientID, ds.AccessionNumber = padded, "HOSP ", f" {ACCESSION}"
    who = study_identity(received_head(ds), KEYS, "HOSP")
    pid_3 = ["ID000001", "", "", "HOSP", "PI"]
    obr_18 = f"{ACCESSION} "

    assert who.patient.patient_key == KEYS.patient_key(pid_3[3], pid_3[0])
    assert who.order_key == KEYS.order_key("HOSP", obr_18)


latin = st.text(st.sampled_from("Ab1 -\\^=\0\n\té"), max_size=12)
HEADS = st.fixed_dictionaries(
    {
        "StudyInstanceUID": st.sampled_from(["1.2", "1.2.9"]),
        "PatientID": latin,
        "IssuerOfPatientID": latin,
        "AccessionNumber": latin,
        "issuer_of_accession_number": latin,
        "has_order_issuer": st.booleans(),
    }
)


def head_of(values: dict[str, Any], syntax: str) -> bytes:
    """Write a Part 10 file that names a patient and an order, as a sender's own bytes."""
    raw = {k: values[k].encode("latin-1") for k in ("PatientID", "IssuerOfPatientID", "AccessionNumber")}
    head = make_head(StudyInstanceUID=values["StudyInstanceUID"])
    if values["has_order_issuer"]:
        item = make_item(LocalNamespaceEntityID=values["issuer_of_accession_number"])
        head.IssuerOfAccessionNumberSequence = [item]
    even = {keyword: value + b" " * (len(value) % 2) for keyword, value in raw.items()}
    return part10(encode(head, syntax, even), syntax)


def usual_file(patient_name: str = NAME, **raw: bytes) -> bytes:
    """Write a Part 10 file as most senders would."""
    return part10(encode(make_head(PatientName=patient_name, BodyPartExamined="HEAD"), EXPLICIT, raw), EXPLICIT)


def said(head: IndexedHead) -> dict[str, Any]:
    """Return what the ledger says of an instance."""
    stored = Stored("studies/ab/1.2/1.2.3/1.2.3.4.dcm", "new", 1000)
    entry: dict[str, Any] = json.loads(
        instance_entry(
            stored, head.own_members, head.common_members, sender="CT1", purpose="clinical", received_at=RECEIVED_AT
        )
    )
    return entry


def keys_of(head: IndexedHead) -> tuple[str, str]:
    return said(head)["patient_key"], said(head)["order_key"]


def data_set_at(syntax: str) -> int:
    return len(part10(b"", syntax))


@settings(max_examples=150, deadline=None)
@given(heads=st.lists(HEADS, min_size=1, max_size=4), syntax=st.sampled_from(SYNTAXES), is_whole=st.booleans())
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_fast_and_slow_reading_give_one_key_also_when_others_came_before(
    heads: list[dict[str, Any]], syntax: str, is_whole: bool
) -> None:
    index = HeadIndex(KEYS)
    for values in [*heads, *heads]:
        file = head_of(values, syntax)
        fast = index.read(memoryview(file), data_set_at(syntax), syntax, "HOSP", is_whole=is_whole)
        slow = study_identity(received_head(read_head(file)), KEYS, "HOSP")
        assert keys_of(fast) == (slow.patient.patient_key, slow.order_key)


def test_the_usual_head_takes_the_fast_path_and_says_the_same() -> None:
    file = usual_file()
    scanned = scan_head(memoryview(file)[data_set_at(EXPLICIT) :], EXPLICIT)
    assert scanned is not None
    fast = HeadIndex(KEYS).read(memoryview(file), data_set_at(EXPLICIT), EXPLICIT, "HOSP", is_whole=True)
    slow = study_identity(received_head(read_head(file)), KEYS, "HOSP")
    assert keys_of(fast) == (slow.patient.patient_key, slow.order_key)
    assert keys_of(fast) == (KEYS.patient_key("H", "P-1"), KEYS.order_key("HOSP", "A-1"))


def test_one_study_of_two_senders_is_of_two_domains() -> None:
    file = usual_file(IssuerOfPatientID=b"")
    index = HeadIndex(KEYS)
    for issuer in ("HOSP", "OTHER", "HOSP"):
        found = index.read(memoryview(file), data_set_at(EXPLICIT), EXPLICIT, issuer, is_whole=True)
        assert keys_of(found)[0] == KEYS.patient_key(issuer, "P-1")


def test_what_tells_identities_apart_is_opaque_and_differs_with_the_name() -> None:
    index, digests = HeadIndex(KEYS), set()
    for name in ("Testnaam^Alida", "Testnaam^Berta"):
        file = usual_file(name)
        found = index.read(memoryview(file), data_set_at(EXPLICIT), EXPLICIT, "", is_whole=True)
        digests.add(said(found)["identity"])
        assert re.fullmatch(r"[0-9a-f]{32}", said(found)["identity"])
        assert not [private for private in PRIVATE if private in json.dumps(said(found))]
    assert len(digests) == 2


@given(domain=ids, first=ids, second=ids)
def test_keys_are_alike_exactly_when_the_trimmed_ids_are(domain: str, first: str, second: str) -> None:
    one, other = KEYS.patient_key(domain, first), KEYS.patient_key(f" {domain} ", f"\t{second}")

    assert (one == other) is (first.strip() == second.strip())


@given(domain=ids, identifier=ids)
def test_key_is_opaque(domain: str, identifier: str) -> None:
    for key in (KEYS.patient_key(domain, identifier), KEYS.order_key(domain, identifier)):
        assert re.fullmatch(r"[po]_[0-9a-f]{40}", key)
        assert key != SiteKeys(b"another secret of the same length").patient_key(domain, identifier)


def test_handled_history_leaves_no_person_in_events_logs_or_metrics(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    order = KEYS.order_key("HOSP", ACCESSION)
    with logging_restored():
        configure_logging("worklist", "INFO")
        world.activate()
        world.name(1, NAME)
        with consuming(world) as publish:
            publish(
                make_event(make_study(1), order_key=order),
                make_event(make_answer(1, 0.1)),
                make_event(make_answer(1, state=ScoringState.FAILED, run=2)),
                make_event(make_answer(1, 0.9, run=3)),
                make_event(make_confirmation(1)),
                make_event(make_study(2, claims=[])),
            )
            with serving(world) as server:
                assert "Testnaam, Alida" in httpx.get(f"{server.address}/", timeout=20).text
                httpx.get(f"{server.address}/api/worklist", timeout=20)
        world.suspend()
        world.ranking.step()
        get_logger().info("done")
        logged = capsys.readouterr().err
    with world.database.read() as connection:
        events = b"\n".join(connection.execute(select(outbox.c.payload)).scalars()).decode()
    measured = generate_latest().decode()

    assert "worklist-item-ranked" in events
    assert "done" in logged
    for text in (events, logged, measured):
        assert not [private for private in PRIVATE if private.lower() in text.lower()]
    assert UID_PATTERN.search(logged) is None
    assert UID_PATTERN.search(measured) is None
    assert uid(1) in events


def test_defect_in_a_handler_logs_neither_names_nor_uids(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    tried: list[object] = []

    def defect(event: object) -> None:
        tried.append(event)
        raise ValueError(f"{NAME} {uid(1)}")

    world.handle_by_type = {**world.handle_by_type, "study-updated": defect}
    with logging_restored():
        configure_logging("worklist", "INFO")
        with consuming(world):
            world.runtime.producer.send([Message("study-updated", uid(1), encode_event(make_event(make_study(1))))])
            wait_for(lambda: len(tried) > 1)
        get_logger().error("handler failed", reason=f"no study {uid(1)}", exc_info=True)
        get_logger().info("done", uids=[uid(1)], study={"study_instance_uid": uid(1)})
        logged = capsys.readouterr().err

    assert '"reason": "ValueError"' in logged
    assert logged.count("(uid)") == 3
    assert not [private for private in PRIVATE if private in logged]
    assert UID_PATTERN.search(logged) is None
    assert "Traceback" not in logged


def test_answer_of_an_unknown_pathway_makes_no_label(world: World) -> None:
    named = f"pathway-of-{Random(3).randrange(10**9)}"
    world.tell(make_study(1), make_answer(1, pathway=named))

    assert named not in generate_latest().decode()


def test_list_without_names_has_no_person(tmp_path: Path, world: World) -> None:
    world.name(1, NAME)
    world.tell(make_study(1))
    hidden = type(world.lister)(
        world.database, world.runtime.pathways, world.clock, False, world.lister.calibrations_dir
    )

    text = json.dumps(hidden.listing().model_dump(mode="json"))
    assert not [private for private in PRIVATE if private in text]
