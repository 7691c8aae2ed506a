from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, Sequence, dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from inference import series_files
from inference.series_files import find_series, read_header
from tests.unit.inference.instances import as_file, make_instance
from voorrang.dicom.header_reading import header_from_dataset
from voorrang.dicom.headers import InstanceHeader
from voorrang.dicom.part10 import split_part10
from voorrang.errors import ConfigurationError

PIXELS = np.zeros((4, 4), np.uint16)


def by_pydicom(path: Path) -> InstanceHeader:
    ds = dcmread(path, stop_before_pixels=True)
    return header_from_dataset(ds, str(ds.file_meta.TransferSyntaxUID))


def write(path: Path, **options: Any) -> Path:
    path.write_bytes(as_file(make_instance(PIXELS, **options)))
    return path


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"transfer_syntax": ImplicitVRLittleEndian},
        {"extra": {"PatientAge": "066Y", "ConvolutionKernel": ["B30f", "3"], "SeriesDescription": "Thorax"}},
        {"extra": {"ReferencedStudySequence": Sequence([Dataset()])}},
    ],
)
def test_a_usual_header_is_scanned_and_is_what_pydicom_reads(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "1", **options)
    expected = by_pydicom(path)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("left to pydicom")

    monkeypatch.setattr(series_files, "_read_with_pydicom", refuse)
    assert read_header(path) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"transfer_syntax": DeflatedExplicitVRLittleEndian},
        {"transfer_syntax": ExplicitVRBigEndian},
        {"extra": {"EncapsulatedDocument": bytes(40_000)}},  # pixels begin behind what is read at once
        {"extra": {"SpecificCharacterSet": "ISO_IR 13", "SeriesDescription": "a"}},
    ],
)
def test_an_odd_header_is_what_pydicom_reads(tmp_path: Path, options: dict[str, Any]) -> None:
    path = write(tmp_path / "1", **options)
    assert read_header(path) == by_pydicom(path)


@pytest.mark.parametrize("kept", [0, 4, 127, 131, 132, 140, 150, 300])
def test_whatever_is_cut_short_raises_nothing(tmp_path: Path, kept: int) -> None:
    path = write(tmp_path / "1")
    path.write_bytes(path.read_bytes()[:kept])
    header = read_header(path)
    assert header is None or header.rows is None or header == by_pydicom(path)


def test_a_folder_a_link_to_nothing_and_a_file_that_is_gone_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    write(tmp_path / "deep" / "deeper" / "1")
    assert read_header(tmp_path / "gone") is None
    assert [len(series.headers) for series in find_series(tmp_path)] == [1]


def test_a_part_10_file_is_split_where_its_data_set_begins(tmp_path: Path) -> None:
    data = write(tmp_path / "1").read_bytes()
    split = split_part10(data)
    assert split is not None
    syntax, at = split
    assert (syntax, at) == ("1.2.840.10008.1.2.1", 144 + int.from_bytes(data[140:144], "little"))
    assert split_part10(data[132:]) is None
    assert split_part10(data[:200]) is None


def test_a_file_that_may_not_be_read_is_said_and_never_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be the top of a stack, without which the rest is as even as before."""
    for n in range(1, 6):
        write(tmp_path / f"{n}", number=n, position_mm=(0.0, 0.0, 3.0 * n))
    real = series_files._read_start

    def refuse(path: Path) -> bytes:
        if path.name == "5":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(series_files, "_read_start", refuse)
    with pytest.raises(ConfigurationError, match=r"^1 file .*: .*5 \(Permission denied\).* leave them out"):
        find_series(tmp_path)


def test_a_folder_that_may_not_be_listed_is_said_and_is_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    real = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ConfigurationError, match="closed"):
        find_series(tmp_path)


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write(elsewhere / "1")
    study = tmp_path / "study"
    study.mkdir()
    write(study / "2", number=2)
    (study / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(study)
    (series,) = find_series(study)
    assert [header.instance_number for header in series.headers] == [2, 1]
