"""`voorrang model run` and `model select` as they are called: what is on stdout is one JSON line per series."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from tests.unit.inference.instances import as_file, make_instance
from voorrang.__main__ import main
from voorrang.demo.phantoms.chest import Nodule, make_chest

pytestmark = pytest.mark.integration

KEYS = {"series_instance_uid", "state", "score", "findings", "reason"}
NODULE_MM = (-75.0, 5.0, 90.0)


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOORRANG_DATA_DIR", str(tmp_path / "data"))


def series(uid: str, n: int, **extra: Any) -> list[Dataset]:
    return [
        make_instance(
            np.full((8, 8), 1000, np.uint16),
            number=k + 1,
            position_mm=(0.0, 0.0, 3.0 * k),
            series_uid=uid,
            extra={"BodyPartExamined": "CHEST", **extra},
        )
        for k in range(n)
    ]


def chest(uid: str) -> list[Dataset]:
    phantom = make_chest(2, [Nodule(NODULE_MM, 14.0)])
    step, between_rows, between_columns = phantom.grid.spacing_mm
    x, y, z = phantom.grid.origin_mm
    return [
        make_instance(
            (hu + 1024).astype(np.uint16),
            number=k + 1,
            position_mm=(x, y, z + step * k),
            pixel_spacing_mm=(between_rows, between_columns),
            series_uid=uid,
            extra={"SliceThickness": step},
        )
        for k, hu in enumerate(phantom.voxels_hu)
    ]


def write(folder: Path, instances: list[Dataset]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for ds in instances:
        (folder / f"{ds.SOPInstanceUID}.dcm").write_bytes(as_file(ds))


def make_folder(folder: Path) -> None:
    """Several series in one folder and below it, short ones and single slices, and files that are no DICOM."""
    write(folder, series("1.2.3.1", 1))
    write(folder, series("1.2.3.2", 2))
    write(folder, series("1.2.3.3", 12))
    write(folder / "a" / "b", series("1.2.3.4", 70, ImageType=["DERIVED", "SECONDARY", "AXIAL", "MIP"]))
    write(folder / "a", series("1.2.3.5", 1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    write(folder / "c", chest("1.2.3.6"))
    (folder / "DICOMDIR").write_bytes(b"not really")
    (folder / "report.pdf").write_bytes(b"%PDF-1.7\n" + os.urandom(5000))
    (folder / "a" / "notes.txt").write_text("CT of the chest\n" * 50)
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "a" / "cut.dcm").write_bytes(as_file(series("1.2.3.9", 1)[0])[:200])


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_series_of_a_folder_has_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folder(tmp_path / "study")
    assert main(["model", "run", "reference-lung", str(tmp_path / "study"), "--json"]) == 0
    found = {line["series_instance_uid"]: line for line in lines(capsys.readouterr().out)}
    assert list(found) == [f"1.2.3.{n}" for n in range(1, 7)]
    assert all(line.keys() == KEYS for line in found.values())
    states = {uid: line["state"] for uid, line in found.items()}
    assert states == {f"1.2.3.{n}": "out_of_scope" for n in range(1, 6)} | {"1.2.3.6": "scored"}
    empty = [(line["score"], line["findings"]) for line in found.values() if line["state"] == "out_of_scope"]
    assert empty == [(None, [])] * 5
    assert "1 instances do not form a stack" in found["1.2.3.1"]["reason"]
    assert "covers 36 mm" in found["1.2.3.3"]["reason"]
    assert "derived" in found["1.2.3.4"]["reason"]
    assert "localizer" in found["1.2.3.5"]["reason"]
    scored = found["1.2.3.6"]
    assert scored["reason"] is None
    nearest = min(np.linalg.norm(np.subtract(f["position_mm"], NODULE_MM)) for f in scored["findings"])
    assert nearest < 7.0
    assert {key for finding in scored["findings"] for key in finding} == {"type", "score", "position_mm", "diameter_mm"}


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_folder_of_short_series_alone_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str], n: int) -> None:
    write(tmp_path / "study", [*series("1.2.4.1", n), *series("1.2.4.2", 1)])
    assert main(["model", "run", "reference-head", str(tmp_path / "study"), "--json"]) == 0
    assert [line["state"] for line in lines(capsys.readouterr().out)] == ["out_of_scope"] * 2


def test_the_pathway_says_of_every_series_why_it_is_not_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_folder(tmp_path / "study")
    assert main(["model", "select", "lung-nodule", str(tmp_path / "study"), "--json"]) == 0
    found = lines(capsys.readouterr().out)
    assert [line["taken"] for line in found] == [False] * 5 + [True]
    first = [line["reasons"][0]["code"] for line in found[:-1]]
    assert first == ["not_a_volume", "not_a_volume", "coverage", "derived", "localizer"]
    assert main(["model", "select", "knee", str(tmp_path / "study")]) == 2
