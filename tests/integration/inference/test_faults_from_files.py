"""Faults put into the files of a real chest, through `run_folder`: each named in words, and no score for any."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import UID

from inference.reference.lung import ReferenceLung
from inference.run_folder import run_folder
from tests.integration.listening import real_data

pytestmark = pytest.mark.integration

Files = list[Path]


def upwards(folder: Path) -> Files:
    """Return the files of a chest, the lowest slice first."""
    return sorted(folder.iterdir(), key=lambda path: float(dcmread(path, stop_before_pixels=True).SliceLocation))


def write(into: Path, name: str, ds: Dataset) -> None:
    ds.save_as(into / name, enforce_file_format=True)


def one_removed(files: Files, _: Path) -> Files:
    return files[:40] + files[41:]


def one_duplicated(files: Files, into: Path) -> Files:
    ds = dcmread(files[40])
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(f"{ds.SeriesInstanceUID[:50]}.1")
    write(into, "again", ds)
    return files


def two_swapped(files: Files, into: Path) -> Files:
    a, b = dcmread(files[20]), dcmread(files[60])
    a.InstanceNumber, b.InstanceNumber = b.InstanceNumber, a.InstanceNumber
    write(into, "a", a)
    write(into, "b", b)
    return [path for n, path in enumerate(files) if n not in (20, 60)]


def another_mixed_in(files: Files, into: Path) -> Files:
    ds = dcmread(next(iter(sorted(real_data("head-ge-infarct").glob("*")))))
    ds.SeriesInstanceUID = dcmread(files[0], stop_before_pixels=True).SeriesInstanceUID
    write(into, "stranger", ds)
    return files


def truncated_at_the_top(files: Files, _: Path) -> Files:
    return files[:60]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (one_removed, "1 slices seem to be missing; 0 is asked."),
        (one_duplicated, "1 slices lie at the place of another; 0 is asked."),
        (two_swapped, "2 of 99 slices are swapped: their numbers do not follow their positions."),
        (another_mixed_in, "Another series is mixed in: 1 of 100 instances differ from the others in"),
        (truncated_at_the_top, "The lungs are cut off at the top:"),
    ],
)
def test_each_fault_is_named_in_words(fault: Callable[[Files, Path], Files], words: str, tmp_path: Path) -> None:
    for path in fault(upwards(real_data("chest-c3n-00247")), tmp_path):
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "notes.txt").write_text("not DICOM")
    (line,) = run_folder(ReferenceLung(), tmp_path)
    assert (line["state"], line["score"], line["findings"]) == ("out_of_scope", None, [])
    assert line["reason"].startswith(words)
