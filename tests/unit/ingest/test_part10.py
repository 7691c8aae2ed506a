from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import dcmread

from ingest.admission import Request
from ingest.part10 import IMPLEMENTATION_CLASS_UID, before_data_set, kept_purpose
from voorrang.purpose import Purpose

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DATA_SET = b"\x10\x00\x20\x00LO\x04\x00P123"
REQUEST = Request("1.2.840.10008.5.1.4.1.1.2", "1.2.3.4.5", "SCANNER7", "VOORRANG")


@pytest.mark.parametrize("purpose", list(Purpose))
def test_what_is_written_is_read_back_by_pydicom(purpose: Purpose) -> None:
    ds = dcmread(BytesIO(before_data_set(REQUEST, EXPLICIT_LITTLE, purpose) + DATA_SET))
    meta = ds.file_meta
    assert ds.PatientID == "P123"
    assert meta.MediaStorageSOPClassUID == REQUEST.sop_class_uid
    assert meta.MediaStorageSOPInstanceUID == REQUEST.sop_instance_uid
    assert meta.TransferSyntaxUID == EXPLICIT_LITTLE
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert meta.SendingApplicationEntityTitle == "SCANNER7"
    assert meta.ReceivingApplicationEntityTitle == "VOORRANG"
    assert kept_purpose(meta) is purpose


def test_it_ends_where_the_group_says_that_the_data_set_begins() -> None:
    before = before_data_set(REQUEST, EXPLICIT_LITTLE, Purpose.QA)
    assert before[:132] == bytes(128) + b"DICM"
    assert before[132:140] == b"\x02\x00\x00\x00UL\x04\x00"
    assert len(before) == 144 + int.from_bytes(before[140:144], "little")


def test_a_file_of_somebody_else_says_nothing_of_a_purpose() -> None:
    part10 = before_data_set(REQUEST, EXPLICIT_LITTLE, Purpose.QA)
    theirs = part10.replace(IMPLEMENTATION_CLASS_UID.encode(), IMPLEMENTATION_CLASS_UID[:-1].encode() + b"0")
    assert kept_purpose(dcmread(BytesIO(theirs)).file_meta) is None


def test_a_word_that_is_no_purpose_is_none() -> None:
    part10 = before_data_set(REQUEST, EXPLICIT_LITTLE, Purpose.QA).replace(b"\2\0\0\0qa", b"\2\0\0\0zz")
    assert kept_purpose(dcmread(BytesIO(part10)).file_meta) is None


def test_a_uid_that_is_none_is_kept_as_it_was_said() -> None:
    request = Request("../x", "1." * 40, "A", "B")
    part10 = before_data_set(request, EXPLICIT_LITTLE, Purpose.CLINICAL)
    assert b"\x02\x00\x02\x00UI\x04\x00../x" in part10
    assert b"\x02\x00\x03\x00UI\x50\x00" + b"1." * 40 in part10


def test_where_nobody_was_called_there_is_no_purpose_to_read_back() -> None:
    before = before_data_set(REQUEST, EXPLICIT_LITTLE, None)
    assert kept_purpose(dcmread(BytesIO(before + DATA_SET)).file_meta) is None


def test_what_is_alike_for_an_association_is_not_taken_from_another_one() -> None:
    for calling, called, purpose in [("A", "B", Purpose.QA), ("B", "A", Purpose.QA), ("A", "B", Purpose.DEMO)]:
        for uid in ("1.2", "1.2.3"):
            request = Request(REQUEST.sop_class_uid, uid, calling, called)
            meta = dcmread(BytesIO(before_data_set(request, EXPLICIT_LITTLE, purpose) + DATA_SET)).file_meta
            said = (meta.SendingApplicationEntityTitle, meta.ReceivingApplicationEntityTitle)
            assert (*said, meta.MediaStorageSOPInstanceUID) == (calling, called, uid)
            assert kept_purpose(meta) is purpose
