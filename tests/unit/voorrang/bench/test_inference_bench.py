from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from monai.data.utils import dense_patch_slices
from monai.inferers.utils import _get_scan_interval
from torch import nn

from inference.running.conditions import Conditions
from voorrang.bench import inference_models, model_once
from voorrang.bench.inference import run_inference_bench
from voorrang.bench.inference_crop import (
    OVERLAP,
    WINDOW,
    Shape,
    chest_phantom,
    cropped_voxels,
    image_shape,
    measure_crop,
    published_voxels,
)
from voorrang.bench.inference_overhead import measure_overhead
from voorrang.bench.inference_precision import measure_precision
from voorrang.bench.inference_reading import measure_reading
from voorrang.bench.measured import Measured


def say(_: str) -> None:
    pass


@pytest.mark.parametrize("image", [(512, 512, 192), (411, 411, 238), (513, 100, 700), (1000, 512, 193), (1, 1, 1)])
def test_windows_are_those_that_monai_cuts(image: Shape) -> None:
    padded = tuple(max(size, window) for size, window in zip(image, WINDOW, strict=True))
    interval = _get_scan_interval(padded, WINDOW, 3, (OVERLAP,) * 3)
    windows = dense_patch_slices(padded, WINDOW, interval)
    assert published_voxels(image) == len(windows) * math.prod(WINDOW)


def test_a_crop_is_one_window_of_its_own_size_by_hand() -> None:
    assert cropped_voxels((381, 312, 238)) == 384 * 320 * 240
    assert cropped_voxels((512, 512, 193)) == 2 * 512 * 512 * 192  # more than a window: windows as before


def test_the_phantom_has_the_size_of_the_real_series_and_its_crop_saves_two_thirds() -> None:
    assert chest_phantom().voxels_hu.shape == (99, 512, 512)
    assert image_shape(chest_phantom()) == (411, 411, 238)
    assert measure_crop(Path(), say).figures["lung_crop_flop_ratio"] >= 3


def test_reading_gives_its_figures_and_no_difference(tmp_path: Path) -> None:
    found = measure_reading(tmp_path, say, slices=4, rows=16, rounds=2)
    names = {"header_index_to_pydicom", "volume_to_pydicom_loop", "volume_to_highdicom", "volume_max_diff"}
    assert names <= found.figures.keys()
    assert found.figures["volume_max_diff"] == 0
    assert found.figures["volume_peak_rss_mb"] > 0
    assert len(found.rows) == 5 * 2
    assert not found.missing


@pytest.mark.skipif(sys.platform != "linux", reason="the child asks Linux to be killed with its worker")
def test_overhead_is_that_of_series_that_were_scored_by_a_child(tmp_path: Path) -> None:
    found = measure_overhead(tmp_path, say, slices=160, rows=32, rounds=1)
    assert found.figures["overhead_ms_160_slices"] == round(found.rows[0]["ms"], 1) > 0
    assert found.figures["overhead_child_peak_rss_mb"] > 0


def test_a_refusal_is_no_overhead(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="out_of_scope"):  # 40 mm are no chest
        measure_overhead(tmp_path, say, slices=40, rows=32, rounds=1)


def test_the_precision_that_was_chosen_is_held_against_float32_as_the_network_comes() -> None:
    chosen = Conditions(channels_last=True)
    found = measure_precision(Path(), say, window=(16, 16, 8), rounds=1, choose=lambda *_: chosen)
    assert found.figures["chosen_precision_difference"] < 1e-4
    assert found.rows[1]["chosen"] == "float32, channels last"
    eager, ours = (row["seconds"] for row in found.rows)
    assert found.figures["chosen_precision_to_fp32"] == pytest.approx(eager / ours, rel=0.05)


def test_what_was_chosen_is_what_the_network_comes_as_and_wins_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voorrang.bench.inference_precision.random_detector", lambda: nn.Conv3d(1, 2, 3))
    as_it_comes = Conditions(channels_last=False)
    found = measure_precision(Path(), say, window=(16, 16, 8), rounds=1, choose=lambda *_: as_it_comes)
    assert found.rows[1]["chosen"] == "float32, channels first"
    assert found.figures["chosen_precision_to_fp32"] == 1.0


def test_speed_of_other_answers_counts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voorrang.bench.inference_precision.TOLERANCE", -1.0)
    monkeypatch.setattr("voorrang.bench.inference_precision.random_detector", lambda: nn.Conv3d(1, 2, 3))
    found = measure_precision(Path(), say, window=(16, 16, 8), rounds=1, choose=lambda *_: Conditions())
    assert found.figures["chosen_precision_to_fp32"] == 0.0


def test_the_study_of_a_model_is_one_that_it_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def in_this_process(command: list[str], **_: object) -> CompletedProcess[str]:
        model_once.main(command[3], Path(command[4]), int(command[5]), torch.get_num_threads())
        return CompletedProcess(command, 0, capsys.readouterr().out)

    monkeypatch.setattr("voorrang.bench.inference_models.subprocess.run", in_this_process)
    found = inference_models.measure_models(tmp_path, say, slices=62, rows=128, rounds=1)
    assert found.figures["ich_s_per_study"] == found.rows[0]["seconds"][0] > 0
    assert found.figures["ich_peak_rss_mb"] > 0
    assert found.figures["lung_nodule_s_per_study"] == found.rows[1]["seconds"][0] > 0


def test_a_study_that_is_refused_has_no_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = json.dumps({"seconds": [0.1], "states": ["out_of_scope"]})
    monkeypatch.setattr(
        "voorrang.bench.inference_models.subprocess.run", lambda command, **_: CompletedProcess(command, 0, told)
    )
    with pytest.raises(RuntimeError, match="out_of_scope"):
        inference_models.measure_models(tmp_path, say, slices=3, rows=16, rounds=1)


def test_parts_are_merged(tmp_path: Path) -> None:
    folders = []

    def part(name: str, folder: Path) -> Measured:
        folders.append(folder)
        return Measured({name: 1.0}, [{"part": name}], {f"{name} peer": "is not here"}, {name: "how"})

    parts = {"one": lambda folder, _: part("one", folder), "two": lambda folder, _: part("two", folder)}
    report = run_inference_bench(tmp_path, say, parts)
    assert report.figures == {"one": 1.0, "two": 1.0}
    assert report.rows == [{"part": "one"}, {"part": "two"}]
    assert report.machine["missing"] == {"one peer": "is not here", "two peer": "is not here"}
    assert report.machine["notes"] == {"one": "how", "two": "how"}
    assert len({folder for folder in folders if folder.is_dir()}) == 2
