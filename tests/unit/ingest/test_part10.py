from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import dcmread

from ingest.admission import Request
from ingest.part10 import IMPLEMENTATION_CLASS_UID, kept_purpose, part10_file
from voorrang.purpose import Purpose

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DATA_SET = b"\x10\x00\x20\x00LO\x04\x00P123"
REQUEST = Request("1.2.840.10008.5.1.4.1.1.2", "1.2.3.4.5", "SCANNER7", "VOORRANG")


@pytest.mark.parametrize("purpose", list(Purpose))
def test_what_is_written_is_read_back_by_pydicom(purpose: Purpose) -> None:
    ds = dcmread(BytesIO(part10_file(REQUEST, EXPLICIT_LITTLE, purpose, DATA_SET)))
    meta = ds.file_meta
    assert ds.PatientID == "P123"
    assert meta.MediaStorageSOPClassUID == REQUEST.sop_class_uid
    assert meta.MediaStorageSOPInstanceUID == REQUEST.sop_instance_uid
    assert meta.TransferSyntaxUID == EXPLICIT_LITTLE
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert meta.SendingApplicationEntityTitle == "SCANNER7"
    assert meta.ReceivingApplicationEntityTitle == "VOORRANG"
    assert kept_purpose(meta) is purpose


def test_the_data_set_follows_the_group_untouched() -> None:
    for data_set in (b"", b"\0", DATA_SET, bytes(range(256))):
        part10 = part10_file(REQUEST, EXPLICIT_LITTLE, Purpose.QA, data_set)
        group_length = int.from_bytes(part10[140:144], "little")
        assert part10[132:140] == b"\x02\x00\x00\x00UL\x04\x00"
        assert part10[144 + group_length :] == data_set


def test_a_file_of_somebody_else_says_nothing_of_a_purpose() -> None:
    part10 = part10_file(REQUEST, EXPLICIT_LITTLE, Purpose.QA, DATA_SET)
    theirs = part10.replace(IMPLEMENTATION_CLASS_UID.encode(), IMPLEMENTATION_CLASS_UID[:-1].encode() + b"0")
    assert kept_purpose(dcmread(BytesIO(theirs)).file_meta) is None


def test_a_word_that_is_no_purpose_is_none() -> None:
    part10 = part10_file(REQUEST, EXPLICIT_LITTLE, Purpose.QA, DATA_SET).replace(b"\2\0\0\0qa", b"\2\0\0\0zz")
    assert kept_purpose(dcmread(BytesIO(part10)).file_meta) is None


def test_a_uid_that_is_none_is_kept_as_it_was_said() -> None:
    request = Request("../x", "1." * 40, "A", "B")
    part10 = part10_file(request, EXPLICIT_LITTLE, Purpose.CLINICAL, DATA_SET)
    assert b"\x02\x00\x02\x00UI\x04\x00../x" in part10
    assert b"\x02\x00\x03\x00UI\x50\x00" + b"1." * 40 in part10
