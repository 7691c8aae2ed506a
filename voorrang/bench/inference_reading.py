"""How fast headers and volumes are read, beside pydicom and highdicom; in one process, each in turn."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import dcmread

from inference.assembly import assemble
from inference.series_files import SeriesFiles, find_series, read_header
from voorrang.bench.measured import Measured
from voorrang.bench.report import Say
from voorrang.bench.slices import make_batch
from voorrang.dicom.geometry import series_geometry

SLICES, ROWS, ROUNDS = 300, 512, 7
_HEADERS, _HEADERS_PYDICOM = "headers: voorrang", "headers: pydicom"
_VOLUME, _VOLUME_PYDICOM, _VOLUME_HIGHDICOM = "volume: voorrang", "volume: pydicom loop", "volume: highdicom"
# What series_geometry and the gate ask of a header.
_TAGS = (
    *("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "Modality", "ImageType"),
    *("InstanceNumber", "NumberOfFrames", "Rows", "Columns", "PixelSpacing", "ImagePositionPatient"),
    *("ImageOrientationPatient", "SliceThickness", "FrameOfReferenceUID", "RescaleSlope", "RescaleIntercept"),
    *("ConvolutionKernel", "BodyPartExamined"),
)
_NOTE = (
    f"{SLICES} uncompressed slices of {ROWS}x{ROWS}, page cache warm, one process, every method in turn, medians of "
    f"{ROUNDS} rounds; headers: all files from their paths, pydicom with stop_before_pixels and {len(_TAGS)} "
    "specific_tags; volumes: float32 HU, sorted by position; ours begins with the headers, as the worker has them "
    "from the event, the others with the files; memory: a fresh process that reads headers and volume once, over "
    "what it had after its imports"
)

Voxels = npt.NDArray[np.float32]


def measure_reading(scratch: Path, say: Say, slices: int = SLICES, rows: int = ROWS, rounds: int = ROUNDS) -> Measured:
    """
    Measure.

    Parameters
    ----------
    scratch
        Folder for the slices.
    say
        Told of progress.
    slices, rows, rounds
        How many slices of what size, and how often.

    Returns
    -------
    Measured
        Ratios of medians: time of the peer over ours.
    """
    say(f"making {slices} slices of {rows}x{rows} in {scratch}")
    paths = make_batch(scratch, f"{rows}x{rows}", slices, rows).files
    (series,) = find_series(scratch)
    methods: dict[str, Callable[[], Any]] = {
        _HEADERS: lambda: [read_header(path) for path in paths],
        _HEADERS_PYDICOM: lambda: [dcmread(p, stop_before_pixels=True, specific_tags=list(_TAGS)) for p in paths],
        _VOLUME: partial(read_volume, series),
        _VOLUME_PYDICOM: partial(pydicom_loop, paths),
    }
    missing = {}
    try:
        methods[_VOLUME_HIGHDICOM] = partial(_highdicom_reader(), paths)
    except ImportError:
        missing[_VOLUME_HIGHDICOM] = "highdicom is not installed; the dev extra has it"
    difference = float(np.abs(read_volume(series) - pydicom_loop(paths)).max())  # warms the page cache, too
    rows_found = []
    for number in range(1, rounds + 1):
        for name, method in methods.items():
            seconds = _seconds(method)
            say(f"round {number} {name:<22} {1000 * seconds:8.1f} ms")
            rows_found.append({"method": name, "round": number, "slices": slices, "seconds": round(seconds, 5)})
    figures = _figures(rows_found) | {"volume_max_diff": difference} | _memory(scratch, slices * rows * rows * 4)
    return Measured(figures, rows_found, missing, {"reading": _NOTE})


def read_volume(series: SeriesFiles) -> Voxels:
    """Read a series as the worker does, from its headers on."""
    return assemble(series.headers, series_geometry(series.headers), series.open_instance).voxels_hu


def pydicom_loop(paths: Sequence[Path]) -> Voxels:
    """Read a series as one does with pydicom: each file, sorted by position, rescaled into one float32 array."""
    read = sorted((dcmread(path) for path in paths), key=lambda ds: float(ds.ImagePositionPatient[2]))
    voxels = np.empty((len(read), read[0].Rows, read[0].Columns), np.float32)
    for k, ds in enumerate(read):
        voxels[k] = ds.pixel_array
        voxels[k] *= np.float32(ds.RescaleSlope)
        voxels[k] += np.float32(ds.RescaleIntercept)
    return voxels


def _highdicom_reader() -> Callable[[Sequence[Path]], Any]:
    from highdicom import get_volume_from_series

    return lambda paths: get_volume_from_series([dcmread(path) for path in paths], dtype=np.float32)


def _seconds(method: Callable[[], Any]) -> float:
    gc.collect()
    began = perf_counter()
    result = method()
    seconds = perf_counter() - began
    del result
    return seconds


def _figures(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    names = {row["method"] for row in rows}
    took = {name: median(row["seconds"] for row in rows if row["method"] == name) for name in names}
    pairs = {
        "header_index_to_pydicom": (_HEADERS_PYDICOM, _HEADERS),
        "volume_to_pydicom_loop": (_VOLUME_PYDICOM, _VOLUME),
        "volume_to_highdicom": (_VOLUME_HIGHDICOM, _VOLUME),
    }
    return {name: round(took[peer] / took[own], 2) for name, (peer, own) in pairs.items() if peer in took}


def _memory(folder: Path, voxel_bytes: int) -> dict[str, float]:
    command = [sys.executable, "-m", "voorrang.bench.reading_once", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own command, no shell
    found = json.loads(done.stdout)
    grown_mb = found["peak_rss_mb"] - found["before_mb"]
    return {
        "volume_peak_rss_mb": found["peak_rss_mb"],
        "volume_peak_rss_to_voxels": round(grown_mb * 1e6 / voxel_bytes, 3),
    }
