"""What the trained models that ship take for one study: files to findings, each in a process of its own."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from voorrang.bench.measured import Measured
from voorrang.bench.report import Say
from voorrang.demo.phantoms.canvas import Grid, Phantom
from voorrang.demo.phantoms.chest import make_chest
from voorrang.demo.phantoms.head import make_head
from voorrang.demo.phantoms.series import Acquisition, Person, StudyContext, make_series
from voorrang.demo.studies import BLEED, CHEST, DEMO_SEED, HEAD, NODULES

SLICES, ROWS, ROUNDS = 300, 512, 3
THREADS = 2
_NOBODY = Person("Bench^Nobody", "BENCH-1", date(1960, 1, 1), "O")
_NOTE = (
    "one series of {slices} slices of {rows}x{rows} on disk, page cache warm, a process of its own with {threads} "
    "threads, on the CPU; from the paths of the files to the findings: headers, gate, volume, model; loading the model "
    "is not in it (rows: load_seconds); median of {rounds}; memory: the peak of that process, imports included"
)


def measure_models(scratch: Path, say: Say, slices: int = SLICES, rows: int = ROWS, rounds: int = ROUNDS) -> Measured:
    """
    Measure.

    Parameters
    ----------
    scratch
        Folder for the studies.
    say
        Told of progress.
    slices, rows, rounds
        How many slices of what size, and how often they are read.

    Returns
    -------
    Measured
        For each model the seconds of a study and the peak of memory, MB.
    """
    figures: dict[str, float] = {}
    found: list[dict[str, Any]] = []
    for name, write in _STUDIES.items():
        write(scratch / name, slices, rows)
        told = _read(name, scratch / name, rounds)
        say(f"{name}: {', '.join(f'{seconds:.1f}' for seconds in told['seconds'])} s")
        figures[f"{name.replace('-', '_')}_s_per_study"] = round(median(told["seconds"]), 2)
        figures[f"{name.replace('-', '_')}_peak_rss_mb"] = told["peak_rss_mb"]
        found.append({"model": name, "slices": slices, **told})
    note = _NOTE.format(slices=slices, rows=rows, threads=THREADS, rounds=rounds)
    return Measured(figures, found, notes={"models": note})


def write_head(folder: Path, slices: int, rows: int) -> None:
    """Write the demo's head with a bleed as one series of thin slices, whatever their number: it is stretched."""
    _write_stretched(folder, make_head(DEMO_SEED, BLEED), HEAD, (slices, rows))


def write_chest(folder: Path, slices: int, rows: int) -> None:
    """Write the demo's chest with its nodules as one series of thin slices, whatever their number: it is stretched."""
    _write_stretched(folder, make_chest(DEMO_SEED, NODULES), CHEST, (slices, rows))


def _write_stretched(folder: Path, coarse: Phantom, acquisition: Acquisition, size: tuple[int, int]) -> None:
    slices, rows = size
    n, side = coarse.voxels_hu.shape[0], coarse.voxels_hu.shape[1]
    along, across = np.arange(slices) * n // slices, np.arange(rows) * side // rows
    voxels = coarse.voxels_hu[along][:, across][:, :, across]
    step_mm = side * coarse.grid.spacing_mm[1] / rows
    spacing = (n * coarse.grid.spacing_mm[0] / slices, step_mm, step_mm)
    grid = Grid.centred(voxels.shape, spacing, coarse.grid.origin_mm[2])
    study = StudyContext(_NOBODY, "BENCH0001", datetime(2026, 11, 25, 10, tzinfo=UTC))
    folder.mkdir(parents=True)
    for number, ds in enumerate(make_series(Phantom(grid, voxels), acquisition, study, random.Random(DEMO_SEED))):
        ds.save_as(folder / f"{number:04}.dcm", enforce_file_format=True)


_STUDIES: Mapping[str, Callable[[Path, int, int], None]] = {"ich": write_head, "lung-nodule": write_chest}


def _read(name: str, folder: Path, rounds: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "voorrang.bench.model_once", name, str(folder), str(rounds), str(THREADS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own command, no shell
    told: dict[str, Any] = json.loads(done.stdout)
    if told["states"] != ["scored"] * rounds:  # a refusal is quicker than an answer
        raise RuntimeError(f"{rounds} studies were to be scored, got {told['states']}")
    return told
