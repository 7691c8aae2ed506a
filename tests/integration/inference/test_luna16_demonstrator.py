"""A third party's networks, plugged in by configuration alone, on a real scan. Neither is in the repository."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.assembly import assemble
from inference.bundles.model import BundleModel
from inference.bundles.store import gathered
from inference.reading import read_series
from inference.series_files import SeriesFiles, find_series
from voorrang.dicom.geometry import series_geometry
from voorrang.events.records import ScoringState

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]
BESIDE = ROOT.parent / "shared"
OURS = ROOT / "docs" / "bundles" / "luna16-demonstrator"
SLICES = slice(15, 47)  # around the mass, counted from the lowest; all 99 take four times as long


def weights() -> Path:
    """Return the vendor's folder."""
    folder = Path(os.environ.get("VOORRANG_TEST_WEIGHTS", BESIDE / "weights")) / "luna16-demonstrator"
    if not folder.is_dir():
        pytest.skip("no luna16-demonstrator in ../shared/weights; VOORRANG_TEST_WEIGHTS names another place")
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Two processes of tests with two threads each wait for each other on two cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def configuration_for_a_part(folder: Path) -> Path:
    """Copy our configuration, with a coverage that a part of a chest has."""
    shutil.copytree(OURS, folder)
    values = json.loads((folder / "voorrang.json").read_text())
    values["scope"] |= {"min_coverage_mm": 90, "whole_organ": False}
    (folder / "voorrang.json").write_text(json.dumps(values))
    return folder


def part_of_chest(scratch: Path) -> SeriesFiles:
    """Return the part of the scan that has a mass."""
    folder = Path(os.environ.get("VOORRANG_TEST_DATA", BESIDE / "data")) / "chest-c3n-00247"
    if not folder.is_dir():
        pytest.skip("no chest-c3n-00247 in ../shared/data; VOORRANG_TEST_DATA names another place")
    (series,) = find_series(folder)
    for k in series_geometry(series.headers).order[SLICES]:
        path = series.paths[series.headers[k].sop_instance_uid]
        shutil.copyfile(path, scratch / path.name)
    (part,) = find_series(scratch)
    return part


@pytest.mark.usefixtures("one_thread")
def test_its_mass_is_found_where_it_lies(tmp_path: Path) -> None:
    vendor = weights()
    (tmp_path / "slices").mkdir()
    series = part_of_chest(tmp_path / "slices")
    with gathered(vendor, configuration_for_a_part(tmp_path / "ours"), tmp_path / "bundles") as bundle:
        outcome = read_series(BundleModel(bundle), series.headers, series.open_instance)
    assert outcome.state is ScoringState.SCORED
    assert outcome.opinion is not None
    volume = assemble(series.headers, series_geometry(series.headers), series.open_instance)
    place = volume.to_patient_mm((31 - SLICES.start, 168, 106))
    found = [f for f in outcome.opinion.findings if np.linalg.norm(np.subtract(f.position_mm or 0, place)) < 5]
    assert found
    mass = found[0]
    assert mass.score > 0.999  # the maker's own pipeline gives it 0.99999
    assert mass.diameter_mm == pytest.approx(25, abs=5)
    assert mass.box_mm is not None
    low, high = np.sort(np.array(mass.box_mm), axis=0)
    assert (low < place).all()
    assert (place < high).all()
    assert outcome.opinion.score > 0.999
