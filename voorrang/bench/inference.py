"""`voorrang bench inference`: reading series and computing on them, beside named peers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voorrang.bench.inference_crop import measure_crop
from voorrang.bench.inference_models import measure_models
from voorrang.bench.inference_overhead import measure_overhead
from voorrang.bench.inference_precision import measure_precision
from voorrang.bench.inference_reading import measure_reading
from voorrang.bench.machine import describe_machine
from voorrang.bench.measured import Measured, Part
from voorrang.bench.report import Report, Say

PARTS: Mapping[str, Part] = {
    "reading": measure_reading,
    "overhead": measure_overhead,
    "crop": measure_crop,
    "precision": measure_precision,
    "models": measure_models,
}


def run_inference_bench(scratch: Path, say: Say, parts: Mapping[str, Part] = PARTS) -> Report:
    """
    Measure every part, one after the other.

    Parameters
    ----------
    scratch
        Folder for everything; each part has one of its own in it.
    say
        Told of progress.
    parts
        What is measured, by name.

    Returns
    -------
    Report
        Figures of what could run; what could not is named in `machine.missing`.
    """
    found: list[Measured] = []
    for name, part in parts.items():
        say(f"{name}:")
        folder = scratch / name
        folder.mkdir()
        found.append(part(folder, say))
    figures: dict[str, float] = {}
    rows: list[dict[str, Any]] = []
    machine = describe_machine(scratch) | {"missing": {}, "notes": {}}
    for each in found:
        figures |= each.figures
        rows += each.rows
        machine["missing"] |= each.missing
        machine["notes"] |= each.notes
    return Report(figures, rows, machine)
