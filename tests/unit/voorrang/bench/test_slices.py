"""The slices of a bench: realistic, of noise, and new to a receiver each time."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from voorrang.bench.slices import Batch, make_batch


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    return make_batch(tmp_path, "64x64", 30, 64)


def test_a_slice_is_a_ct_in_explicit_little_endian_with_about_a_hundred_elements(batch: Batch) -> None:
    ds = dcmread(batch.files[0])

    assert ds.SOPClassUID == CTImageStorage
    assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert 90 <= len(ds) <= 130
    assert ds.pixel_array.shape == (64, 64)


def test_pixels_do_not_compress(batch: Batch) -> None:
    pixels = dcmread(batch.files[0]).PixelData

    assert len(zlib.compress(pixels)) >= len(pixels)


def test_every_instance_has_a_uid_of_its_own(batch: Batch) -> None:
    assert len({dcmread(path).SOPInstanceUID for path in batch.files}) == 30


def test_a_stamp_changes_every_uid_and_nothing_else(batch: Batch) -> None:
    before = dcmread(batch.files[7])
    batch.stamp(42)
    after = dcmread(batch.files[7])

    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
        assert getattr(before, keyword) != getattr(after, keyword)
    assert after.StudyInstanceUID == batch.study_instance_uid
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    assert before.PixelData == after.PixelData
    assert dcmread(batch.files[0]).SOPInstanceUID == batch.sop_instance_uid


@pytest.mark.parametrize("associations", [1, 4, 24])
def test_shares_hold_every_file_once(batch: Batch, associations: int) -> None:
    shares = batch.shares(associations)
    sent = [path for folders in shares for folder in folders for path in folder.iterdir()]

    assert len(shares) == associations
    assert sorted(sent) == sorted(batch.files)


def test_fewer_files_than_associations_leave_no_sender_without_work(tmp_path: Path) -> None:
    assert len(make_batch(tmp_path, "64x64", 3, 64).shares(24)) == 3
