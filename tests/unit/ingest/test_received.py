"""Heads read with pydicom: of whole files, of beginnings, and of what inflates without end."""

from __future__ import annotations

import tracemalloc
import zlib
from io import BytesIO

import pytest
from pydicom import Dataset
from pynetdicom.dsutils import encode

from ingest.admission import Request
from ingest.part10 import before_data_set
from ingest.received import MAX_INFLATED_BYTES, ReceivedHead, UnreadableInstanceError, read_head, received_head
from voorrang.purpose import Purpose

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LITTLE, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"


def make_head() -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID, ds.SOPInstanceUID = CT, "1.2.3.4.5"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    ds.PatientName, ds.PatientID = "Müller^Jürgen", "7"
    ds.Rows = 4
    item = Dataset()
    item.FrameComments = "x" * 500
    ds.PerFrameFunctionalGroupsSequence = [item] * 10
    ds["PerFrameFunctionalGroupsSequence"].is_undefined_length = True
    return ds


def part10(data_set: bytes, transfer_syntax_uid: str) -> bytes:
    return before_data_set(Request(CT, "1.2.3.4.5", "A", "B"), transfer_syntax_uid, Purpose.CLINICAL) + data_set


def encoded() -> bytes:
    data_set: bytes | None = encode(make_head(), False, True)
    assert data_set is not None
    return data_set


def deflated(data_set: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data_set) + deflater.flush()


def require_known(head: ReceivedHead, transfer_syntax_uid: str) -> None:
    assert (head.patient_name, head.patient_id) == ("Müller^Jürgen", "7")
    assert (head.header.study_instance_uid, head.header.rows) == ("1.2.3", 4)
    assert head.header.transfer_syntax_uid == transfer_syntax_uid


def test_a_beginning_that_ends_within_the_description_of_frames_says_what_came_before() -> None:
    beginning = part10(encoded(), EXPLICIT_LITTLE)[:-2_000]
    require_known(received_head(read_head(beginning, is_whole=False)), EXPLICIT_LITTLE)


def test_a_whole_file_that_ends_within_a_sequence_is_unreadable() -> None:
    with pytest.raises(UnreadableInstanceError):
        read_head(part10(encoded(), EXPLICIT_LITTLE)[:-2_000])


@pytest.mark.parametrize("cut", [0, 20])
def test_a_deflated_head_is_read_whole_or_cut(cut: int) -> None:
    data_set = deflated(encoded())
    file = part10(data_set[: len(data_set) - cut], DEFLATED)
    require_known(received_head(read_head(file, is_whole=not cut)), DEFLATED)


def test_what_inflates_to_much_takes_little_memory() -> None:
    endless = encoded() + b"\xe0\x7f\x10\x00OW\0\0" + (1 << 30).to_bytes(4, "little")
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    zeros = bytes(1 << 20)
    file = BytesIO()
    file.write(part10(deflater.compress(endless), DEFLATED))
    for _ in range(200):
        file.write(deflater.compress(zeros))
    file.write(deflater.flush())
    assert len(file.getvalue()) < 1 << 19
    tracemalloc.start()
    try:
        head = received_head(read_head(file.getvalue()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    require_known(head, DEFLATED)
    assert peak < 4 * MAX_INFLATED_BYTES


def test_what_does_not_inflate_is_unreadable() -> None:
    with pytest.raises(UnreadableInstanceError):
        read_head(part10(b"not deflated at all", DEFLATED))
