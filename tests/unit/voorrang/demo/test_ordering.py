"""The orders of the demo, read by what the product reads HL7 with."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo

from ingest.orders.facts import OrderFact, ReportFact
from ingest.orders.mapping import check_header, facts_of
from ingest.orders.reading import read_header, read_message
from ingest.orders.rules import Agreement
from voorrang.demo.ordering import DemoOrder, _order_message, _report_message, orders_of
from voorrang.demo.studies import DemoStudy, study_without_pathway

AGREEMENT = Agreement(ZoneInfo("Europe/Brussels"))


@cache
def study() -> DemoStudy:
    return study_without_pathway(datetime(2026, 11, 22, 9, 30, tzinfo=UTC))


def order() -> DemoOrder:
    (found,) = orders_of([study()])
    return found


def fact_of(message: str) -> object:
    raw = message.encode()
    check_header(read_header(raw), is_production=True)
    (fact,) = facts_of(read_message(raw, ""), AGREEMENT)
    return fact


def test_order_names_the_patient_and_the_accession_number_of_the_images() -> None:
    fact, first = fact_of(_order_message(order())), study().instances[0]

    assert isinstance(fact, OrderFact)
    assert (fact.action, fact.urgency) == ("placed", "routine")
    assert (fact.accession_number, fact.issuer) == (first.AccessionNumber, first.IssuerOfPatientID)
    assert (fact.patient.patient_id, fact.patient.issuer) == (first.PatientID, first.IssuerOfPatientID)
    assert fact.patient.name == str(first.PatientName)


def test_report_is_final_and_of_the_same_order() -> None:
    fact = fact_of(_report_message(order()))

    assert isinstance(fact, ReportFact)
    assert (fact.status, fact.accession_number) == ("final", study().instances[0].AccessionNumber)


def test_nobody_ordered_what_has_no_urgency() -> None:
    unordered = DemoStudy("phantom", None, False, study().instances, (), None)
    assert orders_of([unordered]) == []
