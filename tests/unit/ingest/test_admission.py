from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ingest.admission import (
    Refusal,
    Request,
    StoreStatus,
    check_header,
    check_identifiers,
    is_prior,
    purpose_of,
)
from voorrang.dicom.headers import InstanceHeader
from voorrang.purpose import Purpose

RECEIVED_AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
CT = "1.2.840.10008.5.1.4.1.1.2"
REQUEST = Request(CT, "1.2.3.4.5", "SCANNER", "VOORRANG")
HEADER = InstanceHeader("1.2.3", "1.2.3.4", "1.2.3.4.5", CT, "1.2.840.10008.1.2.1", modality="CT")


def prior(study_date: str, **changes: object) -> bool:
    values: dict[str, object] = {
        "received_at": RECEIVED_AT,
        "has_open_order": False,
        "sender_prefetches": True,
        "purpose": Purpose.CLINICAL,
    }
    return is_prior(study_date, **(values | changes))  # type: ignore[arg-type]


def test_statuses_are_those_of_the_standard() -> None:
    assert {status.name: int(status) for status in StoreStatus} == {
        "SUCCESS": 0x0000,  # PS3.4 table B.2-1
        "INVALID_OBJECT_INSTANCE": 0x0117,  # PS3.7 section C.5.17
        "SOP_CLASS_NOT_SUPPORTED": 0x0122,  # PS3.7 section C.5.22
        "NOT_AUTHORISED": 0x0124,  # PS3.7 section C.5.21
        "OUT_OF_RESOURCES": 0xA700,  # PS3.4 table B.2-1
        "DATA_SET_DOES_NOT_MATCH": 0xA900,
        "CANNOT_UNDERSTAND": 0xC000,
    }


def test_a_matching_request_is_not_refused() -> None:
    assert check_identifiers(REQUEST) is None
    assert check_header(REQUEST, HEADER) is None


@pytest.mark.parametrize(
    "uid",
    [
        "",
        "1",
        "1." * 33 + "1",
        "../../etc/passwd",
        "1.2/3.4",
        "1.2\\3",
        "1..2",
        ".1.2",
        "1.2.",
        "1.2.3\n",
        "1.2.a",
        "１.２",
    ],
)
def test_what_is_not_a_uid_is_an_invalid_object_instance(uid: str) -> None:
    refusal = check_identifiers(REQUEST._replace(sop_instance_uid=uid))
    assert refusal == Refusal(StoreStatus.INVALID_OBJECT_INSTANCE, "bad_sop_instance_uid")


@pytest.mark.parametrize(
    "header",
    [
        replace(HEADER, study_instance_uid=""),
        replace(HEADER, series_instance_uid=""),
        replace(HEADER, study_instance_uid="../1.2"),
        replace(HEADER, series_instance_uid="1.2/3"),
    ],
)
def test_a_data_set_without_usable_study_or_series_cannot_be_understood(header: InstanceHeader) -> None:
    assert check_header(REQUEST, header) == Refusal(StoreStatus.CANNOT_UNDERSTAND, "bad_study_or_series_uid")


def test_another_instance_or_class_than_announced_does_not_match() -> None:
    mismatch = StoreStatus.DATA_SET_DOES_NOT_MATCH
    other = replace(HEADER, sop_instance_uid="1.2.3.4.6")
    assert check_header(REQUEST, other) == Refusal(mismatch, "sop_instance_uid_differs")
    other = replace(HEADER, sop_class_uid="1.2.840.10008.5.1.4.1.1.4")
    assert check_header(REQUEST, other) == Refusal(mismatch, "sop_class_uid_differs")


def test_the_called_ae_title_alone_gives_the_purpose() -> None:
    titles = {"VOORRANG": Purpose.CLINICAL, "VOORRANG-QA": Purpose.QA}
    assert purpose_of(REQUEST, titles) is Purpose.CLINICAL
    assert purpose_of(REQUEST._replace(called_ae_title="VOORRANG-QA"), titles) is Purpose.QA
    assert purpose_of(REQUEST._replace(called_ae_title=" VOORRANG-QA  "), titles) is Purpose.QA
    for calling in ("VOORRANG-QA", "QA", "DEMO"):
        assert purpose_of(REQUEST._replace(calling_ae_title=calling), titles) is Purpose.CLINICAL


@pytest.mark.parametrize("called", ["", "voorrang", "VOORRANG2", "ANY-SCP"])
def test_nobody_answers_to_another_called_ae_title(called: str) -> None:
    assert purpose_of(REQUEST._replace(called_ae_title=called), {"VOORRANG": Purpose.CLINICAL}) is None


def test_an_old_study_that_a_prefetching_sender_sends_unasked_is_a_prior() -> None:
    assert prior("20190401")


@pytest.mark.parametrize("why_not", [{"has_open_order": True}, {"sender_prefetches": False}, {"purpose": Purpose.DEMO}])
def test_each_condition_alone_keeps_an_old_study_from_being_a_prior(why_not: dict[str, object]) -> None:
    assert not prior("20190401", **why_not)


@pytest.mark.parametrize("purpose", [p for p in Purpose if p is not Purpose.DEMO])
def test_only_the_demo_skips_the_rule(purpose: Purpose) -> None:
    assert prior("20190401", purpose=purpose)


@pytest.mark.parametrize(
    "study_date",
    [
        "",
        " ",
        "0",
        "2019",
        "201904",
        "2019041",
        "2019.04.01",
        "20190431",
        "20191301",
        "00000000",
        "2019040 ",
        "1 April",
        "201904011",
        "20190401-20190402",
        "['20190401', '20190402']",
        "２０１９０４０１",
        "-2019041",
    ],
)
def test_a_missing_or_odd_date_is_never_a_priors(study_date: str) -> None:
    assert not prior(study_date)


def test_a_study_of_the_future_is_no_prior() -> None:
    assert not prior("20301231")


def test_a_study_is_a_prior_when_its_whole_day_lies_more_than_24_hours_back() -> None:
    end_of_its_day = datetime(2026, 11, 21, tzinfo=UTC)
    exactly = end_of_its_day + timedelta(hours=24)
    assert not prior("20261120", received_at=exactly)
    assert prior("20261120", received_at=exactly + timedelta(microseconds=1))


def test_yesterdays_study_is_no_prior_at_any_time_of_today() -> None:
    for hour in range(24):
        assert not prior("20261121", received_at=datetime(2026, 11, 22, hour, 59, 59, tzinfo=UTC))
