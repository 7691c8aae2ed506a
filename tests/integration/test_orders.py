"""Orders, reports and patients from message to event; matched to studies whichever comes first."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, generate_latest
from sqlalchemy import select

from ingest.orders import store
from ingest.orders.waiting import count_waiting, waiting
from ingest.tables import message as message_table
from tests.builders import KEYS, START
from tests.hl7_messages import UID, adt_change, adt_merge, message, msh, omi, orm, oru, pid, segment
from tests.integration.listening import STUDY, Station, make_ct
from tests.integration.orders_world import hear, heard, hearing, told, types
from voorrang.clock import ManualClock
from voorrang.commands.where import find
from voorrang.events.envelope import encode
from voorrang.identity import look_up, look_up_orders, report_texts
from voorrang.tables import identity_message

pytestmark = pytest.mark.integration

ORDER = KEYS.order_key("HOSP", "A-1")
PATIENT, SURVIVOR = KEYS.patient_key("HOSP", "T-1"), KEYS.patient_key("HOSP", "T-2")
assert UID == STUDY


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    with hearing(tmp_path, clock) as opened:
        yield opened


def images(station: Station, calling: str = "SCANNER", **elements: Any) -> None:
    station.receive(make_ct(**elements), calling=calling)
    station.take_in()


def reasons(station: Station) -> list[str]:
    with station.runtime.database.read() as connection:
        return [thing.reason.value for thing in waiting(connection, "clinical")]


class TestEachMessageType:
    @pytest.mark.parametrize("text", [orm(), omi(), omi().replace("OMI^O23^OMI_O23", "OMG^O19^OMG_O19")])
    def test_order_is_placed_with_its_urgency_under_the_keys_of_dicom(self, station: Station, text: str) -> None:
        assert heard(station, text) == ["taken"]

        (event,) = told(station)
        assert (event.type, event.subject, event.order_key) == ("order-placed", ORDER, ORDER)
        assert (event.patient_key, event.data.urgency, event.data.order_version) == (PATIENT, "stat", 1)
        assert event.data.has_clinical_question

    def test_order_is_changed_and_cancelled(self, station: Station) -> None:
        heard(
            station,
            orm("1", urgency="R", stated="20261122075000"),
            orm("2", control="XO", urgency="S", stated="20261122075100"),
            orm("3", control="CA", urgency="", stated="20261122075200"),
        )

        assert types(station) == ["order-placed", "order-changed", "order-cancelled"]
        assert [(e.data.order_version, e.data.urgency) for e in told(station)] == [
            (1, "routine"),
            (2, "stat"),
            (3, "stat"),
        ]

    def test_every_version_of_a_report_is_kept(self, station: Station) -> None:
        heard(
            station,
            oru("1", status="P", observed=[("P", "voorlopig")], stated="20261122075000"),
            oru("2", status="F", observed=[("F", "definitief")], stated="20261122075100"),
            oru("3", status="C", observed=[("C", "gecorrigeerd")], stated="20261122075200"),
        )

        assert types(station) == ["report-preliminary", "report-finalized", "report-corrected"]
        with station.runtime.database.read() as connection:
            texts = report_texts(connection, ORDER)
        assert [texts[e.data.report_version] for e in told(station)] == ["voorlopig", "definitief", "gecorrigeerd"]

    def test_patient_is_changed_where_known_and_nothing_is_kept_of_others(self, station: Station) -> None:
        assert heard(station, adt_change("1", patient="T-9"), orm("2"), adt_change("3", name="de Vries^Piet")) == [
            "unchanged",
            "taken",
            "taken",
        ]

        assert types(station) == ["order-placed", "patient-changed"]
        assert told(station)[-1].subject == PATIENT

    def test_merge_moves_studies_and_orders_to_the_surviving_patient(self, station: Station) -> None:
        images(station)
        heard(station, orm("1"), adt_merge("2"))
        images(station, StudyInstanceUID=f"{STUDY}0", SeriesInstanceUID=f"{STUDY}0.1", AccessionNumber="A-2")

        assert types(station) == ["order-placed", "patient-merged", "order-changed"]
        assert [event.patient_key for event in told(station)] == [PATIENT, SURVIVOR, SURVIVOR]
        assert [e.patient_key for e in station.events("study-updated")][-2:] == [SURVIVOR, SURVIVOR]
        with station.runtime.database.read() as connection:
            found = look_up(connection, [STUDY, f"{STUDY}0"])
        assert {one.patient.patient_key for one in found.values()} == {SURVIVOR}


class TestMatching:
    def test_the_same_number_by_dicom_and_by_hl7_is_one_order(self, station: Station) -> None:
        images(station)
        heard(station, orm())

        assert station.study().order_key == told(station)[0].order_key == ORDER
        assert station.study().patient_key == told(station)[0].patient_key == PATIENT
        assert reasons(station) == []

    @pytest.mark.parametrize("order_first", [True, False])
    def test_study_without_a_number_is_found_by_its_uid_whichever_comes_first(
        self, station: Station, order_first: bool
    ) -> None:
        steps: list[Callable[[], object]] = [
            lambda: heard(station, orm(uid=STUDY)),
            lambda: images(station, AccessionNumber=""),
        ]
        for step in steps if order_first else reversed(steps):
            step()

        assert station.study().order_key == ORDER
        assert station.events("study-updated")[-1].order_key == ORDER
        assert reasons(station) == []

    @pytest.mark.parametrize("order_first", [True, False])
    def test_number_goes_before_uid_whichever_comes_first(self, station: Station, order_first: bool) -> None:
        own, other = orm("1", accession="A-1"), orm("2", accession="A-2", uid=STUDY)
        heard(station, *([own, other] if order_first else [other, own]))
        images(station)

        assert station.study().order_key == ORDER

    def test_orders_own_number_that_comes_late_takes_its_study_back(self, station: Station) -> None:
        images(station)
        heard(station, orm("1", accession="A-2", uid=STUDY))
        assert station.study().order_key == KEYS.order_key("HOSP", "A-2")
        heard(station, orm("2"))

        assert station.study().order_key == ORDER
        assert [event.order_key for event in station.events("study-updated")][-1] == ORDER

    def test_report_without_a_number_is_of_the_order_of_its_study(self, station: Station) -> None:
        images(station)
        heard(station, orm("1"), oru("2", accession="", uid=STUDY))

        assert told(station)[-1].order_key == ORDER
        assert told(station)[-1].subject == ORDER

    def test_what_matches_nothing_waits_and_is_counted(self, station: Station) -> None:
        images(station, StudyInstanceUID=f"{STUDY}0", SeriesInstanceUID=f"{STUDY}0.1", AccessionNumber="A-7")
        heard(station, orm("1"), oru("2", accession="A-3"), "hello")
        count_waiting(station.runtime)

        expected = {
            "order_without_images": 1,
            "report_without_order_or_images": 1,
            "study_without_order": 1,
            "patients_of_order_and_study_differ": 0,
            "message_refused": 1,
        }
        for reason, count in expected.items():
            assert REGISTRY.get_sample_value("voorrang_orders_waiting", {"reason": reason}) == count

        images(station)
        heard(station, oru("4"), orm("5", accession="A-3"), oru("6", accession="A-3"))
        assert sorted(set(reasons(station))) == ["message_refused", "study_without_order"]

    def test_order_of_another_patient_than_its_study_is_shown(self, station: Station) -> None:
        images(station, PatientID="T-8")
        heard(station, orm())

        assert reasons(station) == ["patients_of_order_and_study_differ"]


class TestPriors:
    @pytest.mark.parametrize("order_first", [True, False])
    def test_old_study_with_an_open_order_is_no_prior_whichever_comes_first(
        self, station: Station, order_first: bool
    ) -> None:
        steps: list[Callable[[], object]] = [
            lambda: heard(station, orm()),
            lambda: images(station, "PACS", StudyDate="20250101"),
        ]
        for step in steps if order_first else reversed(steps):
            step()

        assert not station.study().prior
        assert station.events("study-updated")[-1].data.prior is False
        assert station.events("study-updated")[-1].data.claims

    @pytest.mark.parametrize(
        "closing", [[], [orm("2", control="CA", stated="20261122075600")], [oru("2")], [oru("2", status="C")]]
    )
    def test_old_study_without_an_order_or_with_a_closed_one_is_a_prior(
        self, station: Station, closing: list[str]
    ) -> None:
        if closing:
            heard(station, orm("1"), *closing)
        images(station, "PACS", StudyDate="20250101")

        assert station.study().prior

    def test_preliminary_report_leaves_an_order_open(self, station: Station) -> None:
        heard(station, orm("1"), oru("2", status="P", observed=[("P", "x")]))
        images(station, "PACS", StudyDate="20250101")

        assert not station.study().prior


class TestNothingIsMadeTwice:
    def test_retry_is_a_duplicate_whatever_time_its_header_states(self, station: Station) -> None:
        texts = [orm("7", stated="20261122075500"), orm("7", stated="20261122075900"), orm("7")]

        assert heard(station, *texts) == ["taken", "duplicate", "duplicate"]
        assert len(told(station)) == 1

    def test_control_ids_are_of_each_sender(self, station: Station) -> None:
        other = orm("7", accession="A-2").replace("|RIS|", "|RIS2|", 1)

        assert heard(station, orm("7"), other) == ["taken", "taken"]

    def test_other_message_under_a_used_number_is_not_lost(self, station: Station) -> None:
        assert heard(station, orm("7"), orm("7", accession="A-2")) == ["taken", "taken"]

    def test_same_order_told_again_makes_no_event(self, station: Station) -> None:
        assert heard(station, orm("1"), orm("2", stated="20261122075600")) == ["taken", "unchanged"]
        assert heard(station, oru("3"), oru("4", stated="20261122075600")) == ["taken", "unchanged"]

    def test_state_is_the_same_in_whatever_order_messages_come(self, tmp_path: Path, clock: ManualClock) -> None:
        texts = [
            orm("1", urgency="R", stated="20261122075000"),
            orm("2", control="XO", urgency="S", question="", stated="20261122075100"),
            oru("3", status="P", observed=[("P", "a")], stated="20261122075200"),
            oru("4", status="F", stated="20261122075300"),
        ]
        states = set()
        for number, shuffled in enumerate(permutations(texts)):
            folder = tmp_path / str(number)
            folder.mkdir()
            with hearing(folder, clock) as station:
                heard(station, *shuffled)
                with station.runtime.database.read() as connection:
                    order = store.find_order(connection, ORDER)
                    report = store.newest_report(connection, ORDER)
                    words = look_up_orders(connection, [ORDER])[ORDER].clinical_question
                assert order is not None
                assert report is not None
                last = max((e for e in told(station) if e.type.startswith("order")), key=lambda e: e.data.order_version)
                assert last.data.urgency == "stat"
                states.add((order.value("urgency"), order.is_cancelled, words, report.status, report.report_version))
        assert len(states) == 1

    def test_clock_of_a_sender_that_is_ahead_does_not_win_for_good(self, station: Station) -> None:
        heard(station, orm("1", urgency="R", stated="20991231000000"))
        station.clock.advance(60)
        heard(station, orm("2", control="XO", urgency="S", stated="20261122080030"))

        assert told(station)[-1].data.urgency == "stat"


class TestRefusing:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("hello", "not_hl7"),
            (orm(accession=""), "no_accession_number"),
            (message(msh("ORM^O01"), pid()), "segment_missing"),
            (message(msh("ADT^A01"), pid()), "message_type_not_taken"),
            (orm(urgency="Z1"), "urgency_not_known"),
        ],
    )
    def test_refused_message_is_answered_ae_kept_once_and_changes_nothing(
        self, station: Station, text: str, reason: str
    ) -> None:
        for _ in range(2):
            answer = hear(station, text)
            assert (answer.code.value, answer.reason) == ("AE", reason)

        assert station.rows(select(message_table.c.outcome, message_table.c.reason)) == [("refused", reason)]
        assert station.rows(select(identity_message.c.content)) == [(text.encode(),)]
        assert told(station) == []

    def test_message_is_taken_whole_or_not_at_all(self, station: Station) -> None:
        text = orm() + message(segment("ORC", {1: "NW"}), segment("OBR", {18: "A-2", 27: "^^^^^Z1"}))

        assert heard(station, text) == ["refused"]
        assert told(station) == []

    def test_refused_message_is_taken_once_what_is_agreed_has_changed(
        self, station: Station, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert heard(station, orm(urgency="Z1")) == ["refused"]
        rule = station.runtime.settings.hl7_senders["RIS"].model_copy(update={"urgencies": {"Z1": "urgent"}})
        changed = station.runtime.settings.model_copy(update={"hl7_senders": {"RIS": rule}})
        monkeypatch.setattr(station.runtime, "settings", changed)

        assert heard(station, orm(urgency="Z1")) == ["taken"]
        assert told(station)[0].data.urgency == "urgent"
        assert station.rows(select(identity_message)) == []

    def test_unknown_sender_is_rejected_and_nothing_is_kept(self, tmp_path: Path, clock: ManualClock) -> None:
        with hearing(tmp_path, clock, known_senders_only=True) as station:
            answer = hear(station, orm().replace("|RIS|", "|STRANGER|", 1))

            assert answer.code.value == "AR"
            assert station.rows(select(message_table)) == []


def test_nobody_is_named_in_events_logs_or_metrics(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["Jansen", "Piet", "19600101", "T-1", "A-1", "bloeding", "bijzonderheden"]
    images(station, PatientName="Jansen^Piet")
    heard(station, orm("1"), oru("2"), adt_merge("3"), adt_change("4", name="Jansen^Piet^A"), orm("5", accession=""))

    said = b"".join(encode(event) for event in told(station)).decode()
    captured = capsys.readouterr()
    for text in (said, captured.err, captured.out, generate_latest().decode()):
        assert [name for name in names if name in text] == []


def test_where_tells_of_an_order_before_its_images_and_of_its_report_afterwards(station: Station) -> None:
    def whereabouts() -> Any:
        with station.runtime.database.read() as connection:
            now = START + timedelta(minutes=1)
            (found,) = find(connection, "A-1", station.runtime.settings, station.runtime.pathways, now)
            return found

    heard(station, orm("1"))
    before = whereabouts()
    assert (before.study_instance_uid, [moment.what for moment in before.moments]) == ("", ["order"])
    assert before.waits_for.startswith("images")

    images(station)
    heard(station, oru("2"))
    after = whereabouts()
    assert after.study_instance_uid == STUDY
    assert {"received", "order", "report"} <= {moment.what for moment in after.moments}
    assert json.dumps([moment.detail for moment in after.moments]).count("Jansen") == 0
