"""Orders at a terminal: NDJSON from a folder or stdin, what waits, and refused messages; on both databases."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from ingest.announcing import DeskAnnouncer
from ingest.desk import open_desk
from ingest.orders.lines import take_line
from ingest.orders.taking import take_message
from ingest.orders.waiting import waiting
from tests.builders import KEYS, SITE
from tests.hl7_messages import adt_merge, oru
from tests.hl7_messages import orm as hl7_order
from tests.integration.conftest import FreshDatabase
from tests.integration.desks import ACTOR, acts, station_with_commands
from tests.integration.listening import STUDY, Station, make_ct, make_station
from tests.integration.orders_world import AGREED, heard, told, types
from tests.integration.worklist_world import logging_restored
from voorrang.__main__ import main
from voorrang.clock import ManualClock
from voorrang.settings import load_settings
from voorrang.tables import identity_message

pytestmark = pytest.mark.integration

PATIENT = {"patient_id": "T-1", "name": "Jansen^Renée", "birth_date": "19600101", "sex": "F"}
ORDER: dict[str, Any] = {
    "kind": "order",
    "action": "placed",
    "accession_number": "A-1",
    "issuer": "HOSP",
    "urgency": "stat",
    "clinical_question": "bloeding?",
    "patient": PATIENT | {"issuer": "HOSP"},
    "stated_at": "2026-11-22T07:55:00Z",
}
REPORT = {"kind": "report", "status": "final", "text": "Geen bloeding.", "stated_at": "2026-11-22T07:58:00+00:00"}
REPORT |= {name: ORDER[name] for name in ("accession_number", "issuer", "patient")}
MERGE = {"kind": "merge", "surviving": PATIENT | {"patient_id": "T-2"}, "merged_patient_id": "T-1"}
CHANGE = {"kind": "patient", "patient": PATIENT | {"issuer": "HOSP", "name": "de Vries^Renée"}}
TIMES = {"stated_at": "2026-11-22T07:59:00Z"}


def line(fact: dict[str, Any], **more: str) -> bytes:
    return json.dumps({"fact": fact, **more}).encode() + b"\n"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    with logging_restored():
        yield


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    with station_with_commands(tmp_path, clock, monkeypatch, **AGREED) as opened:
        yield opened


def test_folder_of_lines_says_what_hl7_says(
    station: Station, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "lines"
    folder.mkdir()
    (folder / "1.ndjson").write_bytes(line(ORDER) + b"\n" + line(REPORT))
    (folder / "2.ndjson").write_bytes(line(CHANGE | TIMES) + line(MERGE | TIMES))
    (folder / "notes.txt").write_text("not read")

    assert main(["ingest", "orders", str(folder)]) == 0
    assert json.loads(capsys.readouterr().out) == {"taken": 4}
    assert types(station) == ["order-placed", "report-finalized", "patient-changed", "patient-merged"]
    assert {event.site for event in told(station)} == {SITE}

    assert main(["ingest", "orders", str(folder)]) == 0
    assert json.loads(capsys.readouterr().out) == {"duplicate": 4}


def test_lines_and_hl7_make_one_order(station: Station) -> None:
    assert take_line(station.runtime, line(ORDER)).outcome == "taken"
    assert heard(station, hl7_order("1", question="bloeding?")) == ["taken"]

    assert {event.order_key for event in told(station)} == {KEYS.order_key("HOSP", "A-1")}


@pytest.mark.parametrize(
    "bad",
    [
        b"{",
        b"[]",
        b"7",
        b"\xff\xfe",
        line(ORDER | {"urgency": "soon"}),
        line(ORDER | {"urgencey": "stat"}),
        line(ORDER | {"accession_number": ""}),
        line(ORDER | {"study_instance_uids": ["../x"]}),
        line(ORDER | {"stated_at": "2026-11-22T07:55:00"}),
        line(ORDER | {"clinical_question": "a\0b"}),
        line({"kind": "other"}),
        b"[" * 5000,
    ],
)
def test_line_that_does_not_fit_is_refused_kept_and_stops_nothing(
    station: Station, bad: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    came = io.BytesIO(bad.strip() + b"\n" + line(ORDER))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=came))

    assert main(["ingest", "orders"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"refused": 1, "taken": 1}
    assert captured.err.count("line 1: ") == 1
    assert "Jansen" not in captured.err
    assert station.rows(select(identity_message.c.content)) == [(bad.strip() + b"\n",)]


def test_folder_that_is_not_there_is_said(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ingest", "orders", "/nowhere/at/all"]) == 1
    assert "neither a file nor a folder" in capsys.readouterr().err


def test_what_waits_is_listed_without_names(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ingest", "orders-waiting"]) == 0
    assert capsys.readouterr().out == "nothing waits\n"
    heard(station, hl7_order("1"))
    assert main(["ingest", "orders-waiting", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)

    assert (found["reason"], found["key"]) == ("order_without_images", KEYS.order_key("HOSP", "A-1"))


def test_refused_message_is_listed_replayed_and_discarded_by_somebody(
    station: Station, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_desk(load_settings()) as desk:  # with the secret that the commands have
        for text in (hl7_order("1", urgency="Z1"), "hello"):
            take_message(DeskAnnouncer(desk), text.encode())
    capsys.readouterr()
    assert main(["ingest", "messages", "list", "--json"]) == 0
    first, second = (json.loads(row) for row in capsys.readouterr().out.splitlines())
    assert (first["control_id"], first["kind"], first["reason"]) == ("1", "ORM^O01", "urgency_not_known")

    assert main(["ingest", "messages", "replay", str(first["id"]), *ACTOR]) == 1
    assert "refused again" in capsys.readouterr().out
    rules = {"RIS": {"default_issuer": "HOSP", "urgencies": {"Z1": "stat"}}}
    monkeypatch.setenv("VOORRANG_HL7_SENDERS", json.dumps(rules))
    assert main(["ingest", "messages", "replay", str(first["id"]), *ACTOR]) == 0
    assert main(["ingest", "messages", "discard", str(second["id"]), *ACTOR]) == 0
    assert main(["ingest", "messages", "discard", str(second["id"]), *ACTOR]) == 1
    capsys.readouterr()
    assert main(["ingest", "messages", "list"]) == 0

    assert capsys.readouterr().out == "no message waits\n"
    assert [event.data.urgency for event in told(station)] == ["stat"]
    assert [(act, subject) for act, _, _, subject, _ in acts(station)] == [
        ("quarantine-replay", f"message {first['id']}"),
        ("quarantine-replay", f"message {first['id']}"),
        ("quarantine-discard", f"message {second['id']}"),
    ]


def test_a_day_of_messages_is_the_same_on_both_databases(
    fresh_database: FreshDatabase, tmp_path: Path, clock: ManualClock
) -> None:
    with fresh_database() as database:
        station = make_station(database, tmp_path, clock, **AGREED)
        station.receive(make_ct(AccessionNumber=""), calling="SCANNER")
        station.take_in()
        texts = [hl7_order("1", uid=STUDY), oru("2"), adt_merge("3"), "hello", hl7_order("1", uid=STUDY)]

        assert heard(station, *texts) == ["taken", "taken", "taken", "refused", "duplicate"]
        assert types(station) == ["order-placed", "report-finalized", "patient-merged", "order-changed"]
        assert station.study().order_key == KEYS.order_key("HOSP", "A-1")
        with database.read() as connection:
            assert [thing.reason.value for thing in waiting(connection, "clinical")] == ["message_refused"]
