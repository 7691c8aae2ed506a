from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from inference.model import LocatedFinding, Opinion
from inference.run_folder import run_folder
from inference.series_files import find_series
from inference.volume import Volume
from tests.unit.inference.instances import as_file, make_instance
from voorrang.pathways.criteria import SeriesCriteria

pytestmark = pytest.mark.integration


class Brightest:
    """Scores by the first voxel; fails above 0.9."""

    model_id, version, weights_digest, operating_point = "brightest", "1", "0", 0.5
    scope = SeriesCriteria(region="chest")

    def read(self, volume: Volume) -> Opinion:
        score = float(volume.voxels_hu[0, 0, 0]) / 1000
        if score > 0.9:
            raise ZeroDivisionError("SECRET")
        return Opinion(score, (LocatedFinding("spot", score, volume.origin_mm, None),))


def make_series(uid: str, hu: int, n: int = 4) -> list[Dataset]:
    return [
        make_instance(
            np.full((4, 4), hu, np.int16),
            number=i + 1,
            position_mm=(1.0, 2.0, 3.0 * i),
            intercept=0.0,
            series_uid=uid,
        )
        for i in range(n)
    ]


def write(folder: Path, instances: list[Dataset]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i, ds in enumerate(instances):
        (folder / f"{i:03}").write_bytes(as_file(ds))


def test_each_series_gives_one_line_and_a_bad_one_stops_nothing(tmp_path: Path) -> None:
    write(tmp_path / "a" / "deep", make_series("1.2.1", 400))
    write(tmp_path / "b", make_series("1.2.2", 950))  # the model raises
    write(tmp_path / "c", make_series("1.2.3", 400, n=2))  # no volume
    truncated = make_series("1.2.4", 400)
    write(tmp_path / "d", truncated)
    cut = tmp_path / "d" / "002"
    cut.write_bytes(cut.read_bytes()[:-8])
    (tmp_path / "readme.txt").write_text("not DICOM " * 30)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "picture.dcm").write_bytes(os.urandom(3000))

    lines = list(run_folder(Brightest(), tmp_path))

    assert json.loads(json.dumps(lines)) == lines
    assert lines[0] == {
        "series_instance_uid": "1.2.1",
        "state": "scored",
        "score": 0.4,
        "findings": [{"type": "spot", "score": 0.4, "position_mm": [1, 2, 0], "diameter_mm": None}],
        "reason": None,
    }
    empty: dict[str, Any] = {"score": None, "findings": []}
    assert lines[1:] == [
        {"series_instance_uid": "1.2.2", "state": "failed", **empty, "reason": "ZeroDivisionError"},
        {
            "series_instance_uid": "1.2.3",
            "state": "out_of_scope",
            **empty,
            "reason": "2 instances do not form a stack of at least 3 slices.",
        },
        {
            "series_instance_uid": "1.2.4",
            "state": "out_of_scope",
            **empty,
            "reason": "Pixels of 1 of 4 slices cannot be read.",
        },
    ]


def test_files_without_preamble_are_read_and_repeats_are_passed_over(tmp_path: Path) -> None:
    instances = make_series("1.2.5", 300)
    write(tmp_path / "first", instances)
    write(tmp_path / "second", instances)
    for path in (tmp_path / "first").iterdir():
        path.write_bytes(path.read_bytes()[132:])
    series = find_series(tmp_path)
    assert [(s.series_instance_uid, len(s.headers)) for s in series] == [("1.2.5", 4)]
    assert [line["state"] for line in run_folder(Brightest(), tmp_path)] == ["scored"]


def test_a_folder_without_dicom_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("nothing here")
    assert list(run_folder(Brightest(), tmp_path)) == []
