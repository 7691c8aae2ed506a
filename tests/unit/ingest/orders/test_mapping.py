"""What messages are taken for: actions, urgencies, statuses, numbers, people; and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingest.orders.facts import Fact, MergeFact, OrderFact, PatientFact, ReportFact
from ingest.orders.mapping import check_header, facts_of, kind_of
from ingest.orders.reading import read_header, read_message
from ingest.orders.refusing import WORDS, RefusalReason, RefusedMessageError
from ingest.orders.rules import Agreement
from ingest.orders.values import time_of
from tests.hl7_messages import UID, adt_change, adt_merge, message, msh, omi, orm, oru, pid, segment

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
AGREED = Agreement(AMSTERDAM, "HOSP")


def facts(text: str, agreed: Agreement = AGREED) -> Sequence[Fact]:
    return facts_of(read_message(text.encode()), agreed)


def order(text: str, agreed: Agreement = AGREED) -> OrderFact:
    (fact,) = facts(text, agreed)
    assert isinstance(fact, OrderFact)
    return fact


def report(text: str) -> ReportFact:
    (fact,) = facts(text)
    assert isinstance(fact, ReportFact)
    return fact


def refused(text: str, agreed: Agreement = AGREED) -> RefusalReason:
    with pytest.raises(RefusedMessageError) as caught:
        facts(text, agreed)
    return caught.value.reason


@pytest.mark.parametrize(
    ("control", "status", "action"),
    [
        ("NW", "", "placed"),
        ("RO", "", "placed"),
        ("XO", "", "changed"),
        ("SC", "IP", "changed"),
        ("SC", "CA", "cancelled"),
        ("CA", "", "cancelled"),
        ("OC", "", "cancelled"),
        ("DC", "", "cancelled"),
        ("nw", "", "placed"),
    ],
)
def test_order_control_says_what_became_of_an_order(control: str, status: str, action: str) -> None:
    assert order(orm(control=control, orc={5: status})).action == action


@pytest.mark.parametrize("control", ["", "ZZ", "UA", "RE"])
def test_order_control_that_is_not_known_is_refused(control: str) -> None:
    assert refused(orm(control=control)) is RefusalReason.UNKNOWN_ORDER_CONTROL


@pytest.mark.parametrize(
    ("word", "urgency"),
    [
        ("S", "stat"),
        ("STAT", "stat"),
        ("A", "urgent"),
        ("P", "urgent"),
        ("T", "urgent"),
        ("TM30", "urgent"),
        ("urgent", "urgent"),
        ("HIGH", "urgent"),
        ("R", "routine"),
        ("C", "routine"),
        ("PRN", "routine"),
        ("MEDIUM", "routine"),
        ("", None),
    ],
)
def test_urgency_by_tables_0027_and_0485(word: str, urgency: str | None) -> None:
    assert order(orm(urgency=word)).urgency == urgency
    assert order(omi(priority=word)).urgency == urgency


def test_urgency_in_orc_7_and_the_highest_of_several() -> None:
    assert order(orm(urgency="", orc={7: "^^^^^S"})).urgency == "stat"
    assert order(orm(urgency="R", orc={7: "^^^^^A"})).urgency == "urgent"
    assert order(orm(urgency="S", orc={7: "^^^^^R"})).urgency == "stat"


def test_urgency_that_is_not_known_is_refused_and_never_routine() -> None:
    assert refused(orm(urgency="Z1")) is RefusalReason.UNKNOWN_URGENCY


def test_own_word_of_a_sender_goes_first() -> None:
    agreed = Agreement(AMSTERDAM, "HOSP", urgencies={"Z1": "stat", "S": "routine"})

    assert order(orm(urgency="Z1"), agreed).urgency == "stat"
    assert order(orm(urgency="S"), agreed).urgency == "routine"


@pytest.mark.parametrize(
    ("fields", "number", "issuer"),
    [
        ({18: "A-18", 3: "F-3^RIS"}, "A-18", ""),
        ({18: "", 3: "F-3^RIS"}, "F-3", "RIS"),
        ({18: " A-18 ", 3: ""}, "A-18", ""),
    ],
)
def test_accession_number_stands_in_obr_18_else_in_obr_3(fields: dict[int, str], number: str, issuer: str) -> None:
    found = order(orm(accession="", obr=fields))

    assert (found.accession_number, found.issuer) == (number, issuer)


def test_accession_number_in_ipc_1_goes_first_and_in_orc_3_last() -> None:
    assert (order(omi()).accession_number, order(omi()).issuer) == ("A-1", "HOSP")
    assert order(orm(accession="", orc={3: "F-9^RIS"})).accession_number == "F-9"


def test_field_that_is_agreed_is_the_only_one() -> None:
    agreed = Agreement(AMSTERDAM, "HOSP", accession_from="OBR-3")

    assert order(orm(accession="LOCAL", obr={3: "A-3"}), agreed).accession_number == "A-3"
    assert refused(orm(accession="LOCAL"), agreed) is RefusalReason.NO_ACCESSION


def test_order_without_an_accession_number_is_refused() -> None:
    assert refused(orm(accession="")) is RefusalReason.NO_ACCESSION


def test_study_is_named_in_zds_or_ipc() -> None:
    assert order(orm(uid=UID)).study_instance_uids == (UID,)
    assert order(omi()).study_instance_uids == (UID,)
    assert order(orm()).study_instance_uids == ()
    assert refused(orm(uid="1.2/../3")) is RefusalReason.BAD_STUDY_UID


def test_question_group_codes_and_procedure() -> None:
    found = order(omi())
    assert (found.clinical_question, found.reason_codes, found.procedure_code) == ("ICB", ("I61.9",), "CTHEAD")
    other = order(orm(question="val, nu suf~zie brief"))
    assert (other.clinical_question, other.reading_group) == ("val, nu suf zie brief", "NRS")


def test_words_are_never_taken_for_codes() -> None:
    found = order(orm(obr={24: "Jansen, Piet", 4: "CT van Jansen & zoon", 31: "Jansen^^"}))

    assert (found.reading_group, found.procedure_code, found.reason_codes) == ("", "", ())


def test_two_procedures_of_one_accession_number_are_one_order_and_the_higher_urgency_counts() -> None:
    text = orm(urgency="R", question="a") + message(
        segment("ORC", {1: "CA", 2: "P-2"}),
        segment("OBR", {1: "2", 4: "CTCHEST", 13: "b", 18: "A-1", 27: "^^^^^S"}),
    )

    found = order(text)
    assert (found.action, found.urgency, found.clinical_question) == ("placed", "stat", "a\nb")


def test_two_accession_numbers_are_two_orders() -> None:
    text = orm() + message(segment("ORC", {1: "NW"}), segment("OBR", {18: "A-2", 27: "^^^^^R"}))

    assert [(one.accession_number, one.urgency) for one in facts(text) if isinstance(one, OrderFact)] == [
        ("A-1", "stat"),
        ("A-2", "routine"),
    ]


@pytest.mark.parametrize(
    ("status", "lines", "expected"),
    [
        ("F", "F", "final"),
        ("P", "P", "preliminary"),
        ("C", "C", "corrected"),
        ("R", "", "preliminary"),
        ("F", "FC", "corrected"),
        ("F", "FP", "preliminary"),
        ("P", "F", "preliminary"),
        ("C", "P", "preliminary"),
        ("", "F", "final"),
        ("", "FFC", "corrected"),
        ("X", "F", "final"),
        ("F", "D", "final"),
    ],
)
def test_status_of_a_report_is_the_most_careful_one(status: str, lines: str, expected: str) -> None:
    assert report(oru(status=status, observed=[(one, "tekst") for one in lines])).status == expected


@pytest.mark.parametrize(("status", "line"), [("", ""), ("X", "X"), ("S", "N"), ("I", "I"), ("O", "O")])
def test_report_without_a_status_that_is_taken_is_refused(status: str, line: str) -> None:
    assert refused(oru(status=status, observed=[(line, "tekst")])) is RefusalReason.UNKNOWN_STATUS


def test_report_has_its_lines_and_the_study_that_it_names() -> None:
    found = report(oru(observed=[("F", "Regel 1"), ("F", "Regel 2~Regel 3")], uid=UID, accession=""))

    assert found.text == "Regel 1\nRegel 2\nRegel 3"
    assert (found.accession_number, found.study_instance_uids) == ("", (UID,))
    assert refused(oru(accession="")) is RefusalReason.NO_ACCESSION


def test_merge_says_who_survives() -> None:
    (fact,) = facts(adt_merge(surviving="T-2", merged="T-1"))

    assert isinstance(fact, MergeFact)
    assert (fact.surviving.patient_id, fact.merged_patient_id, fact.merged_issuer) == ("T-2", "T-1", "HOSP")


def test_merge_of_several_takes_each_pid_with_the_mrg_behind_it() -> None:
    two = adt_merge(surviving="T-2", merged="T-1") + message(pid("T-4"), segment("MRG", {1: "T-3"}))

    assert [(f.surviving.patient_id, f.merged_patient_id) for f in facts(two) if isinstance(f, MergeFact)] == [
        ("T-2", "T-1"),
        ("T-4", "T-3"),
    ]
    assert refused(adt_merge() + message(pid("T-4"))) is RefusalReason.MISSING_SEGMENT
    assert refused(adt_merge(surviving="T-1", merged="T-1")) is RefusalReason.MERGED_INTO_ITSELF


def test_change_says_who_it_is_now() -> None:
    (fact,) = facts(adt_change(name="de Vries-Jansen&de^Anna^B^^dr."))

    assert isinstance(fact, PatientFact)
    assert fact.patient.name == "de Vries-Jansen^Anna^B^dr."


@pytest.mark.parametrize(
    ("pid_3", "expected"),
    [
        ("T-1^^^HOSP^PI", ("T-1", "HOSP")),
        ("999990019^^^NLMINBIZA^NNNLD~T-1^^^HOSP^PI", ("T-1", "HOSP")),
        ("X^^^OTHER^PI~T-1^^^HOSP&1.2.3&ISO^MR", ("T-1", "HOSP")),
        ("T-1^^^OTHER^MR~T-2^^^OTHER2^PI", ("T-2", "OTHER2")),
        ("T-1", ("T-1", "")),
        ("999990019^^^NLMINBIZA^NNNLD", ("999990019", "NLMINBIZA")),
    ],
)
def test_hospitals_own_number_is_who_a_patient_is(pid_3: str, expected: tuple[str, str]) -> None:
    found = order(orm(who=segment("PID", {3: pid_3, 5: "Jansen"}))).patient

    assert (found.patient_id, found.issuer) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (message(msh("ORM^O01")), RefusalReason.MISSING_SEGMENT),
        (message(msh("ORM^O01"), pid()), RefusalReason.MISSING_SEGMENT),
        (message(msh("ORU^R01"), pid()), RefusalReason.MISSING_SEGMENT),
        (message(msh("ADT^A40"), pid()), RefusalReason.MISSING_SEGMENT),
        (message(msh("ADT^A08"), segment("PID", {5: "Jansen"})), RefusalReason.NO_PATIENT_ID),
        (orm(accession="A" * 65), RefusalReason.VALUES_DO_NOT_FIT),
        (orm(who=pid("T" * 65)), RefusalReason.VALUES_DO_NOT_FIT),
    ],
)
def test_message_that_lacks_what_it_needs_is_refused_with_the_reason(text: str, reason: RefusalReason) -> None:
    assert refused(text) is reason


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (msh("ORM^O01", ""), RefusalReason.NO_CONTROL_ID),
        (msh("ADT^A01"), RefusalReason.UNKNOWN_TYPE),
        (msh("SIU^S12"), RefusalReason.UNKNOWN_TYPE),
        (msh(""), RefusalReason.UNKNOWN_TYPE),
        (msh("ORM^O01", processing="T"), RefusalReason.NOT_PRODUCTION),
        (msh("ORM^O01", app="VOORRANG"), RefusalReason.OWN_MESSAGE),
    ],
)
def test_header_that_is_not_for_us_is_refused(header: str, reason: RefusalReason) -> None:
    with pytest.raises(RefusedMessageError) as caught:
        check_header(read_header(header.encode()), is_production=True)
    assert caught.value.reason is reason


def test_test_message_is_taken_where_nothing_is_clinical() -> None:
    check_header(read_header(msh("ORM^O01", processing="T").encode()), is_production=False)
    check_header(read_header(msh("ORM^O01", processing="").encode()), is_production=True)


def test_kind_is_of_a_closed_set() -> None:
    assert kind_of(read_header(msh("ORM^O01^ORM_O01").encode())) == "ORM^O01"
    assert kind_of(read_header(msh("JANSEN^PIET").encode())) == "other"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20261122075500", datetime(2026, 11, 22, 6, 55, tzinfo=UTC)),
        ("202607220755", datetime(2026, 7, 22, 5, 55, tzinfo=UTC)),
        ("20261122075500.1234+0530", datetime(2026, 11, 22, 2, 25, 0, 123400, tzinfo=UTC)),
        ("20261122075500-0800", datetime(2026, 11, 22, 15, 55, tzinfo=UTC)),
        ("20261122", datetime(2026, 11, 21, 23, 0, tzinfo=UTC)),
        ("20261025021000", datetime(2026, 10, 25, 1, 10, tzinfo=UTC)),  # shown twice that night
        ("2026", None),
        ("", None),
        ("20261322075500", None),
        ("20261122259900", None),
        ("yesterday", None),
        ("20261122075500+9999", None),
        ("00010101000000", None),  # .NET's DateTime.MinValue: where nothing was filled in
        ("99991231235959-0100", None),
    ],
)
def test_times_are_read_in_the_zone_of_the_site_unless_they_name_one(text: str, expected: datetime | None) -> None:
    assert time_of(text, AMSTERDAM) == expected


def test_every_reason_has_its_words() -> None:
    assert set(WORDS) == set(RefusalReason)


def test_facts_hold_no_key_that_is_not_known() -> None:
    values: dict[str, Any] = {"action": "placed", "accession_number": "A", "patient": {"patient_id": "1"}}
    OrderFact.model_validate(values)
    with pytest.raises(ValueError, match="urgencey"):
        OrderFact.model_validate(values | {"urgencey": "stat"})
