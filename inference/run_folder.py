"""A model over the DICOM files of a folder, without any service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from inference.failures import Failure
from inference.model import LocatedFinding, Model
from inference.reading import Outcome, failed, read_series
from inference.running.conditions import Adaptable, Conditions
from inference.running.devices import choose_device
from inference.running.ladder import rungs
from inference.running.memory import DeviceLostError
from inference.series_files import SeriesFiles, find_series


def run_folder(model: Model, folder: Path) -> Iterator[dict[str, Any]]:
    """
    Let a model read every series of a folder, on a GPU where there is one, in float32: the same on every machine.

    Parameters
    ----------
    model
        Reads the volumes; its own scope is the gate.
    folder
        Searched with all within it; what is not DICOM is ignored.

    Yields
    ------
    dict
        For each series `series_instance_uid`, `state` (scored, out_of_scope or failed), `score` (0..1 or
        None), `findings` (each `type`, `score`, `position_mm` in LPS or None, `diameter_mm` or None) and
        `reason` (None when scored). One bad series never ends the run.
    """
    ladder = rungs(Conditions(choose_device("auto") if isinstance(model, Adaptable) else "cpu"))
    for series in find_series(folder):
        yield _line(series.series_instance_uid, _read(model, series, ladder))


def _read(model: Model, series: SeriesFiles, ladder: Sequence[Conditions]) -> Outcome:
    try:
        return read_series(model, series.headers, series.open_instance, ladder=ladder)
    except DeviceLostError as error:
        return failed(Failure.MODEL_ERROR, type(error).__name__)
    except OSError as error:
        return failed(Failure.ARCHIVE_UNREADABLE, type(error).__name__)


def _line(series_instance_uid: str, outcome: Outcome) -> dict[str, Any]:
    opinion = outcome.opinion
    return {
        "series_instance_uid": series_instance_uid,
        "state": outcome.state.value,
        "score": opinion.score if opinion else None,
        "findings": [_finding(finding) for finding in opinion.findings] if opinion else [],
        "reason": outcome.message or None,
    }


def _finding(finding: LocatedFinding) -> dict[str, Any]:
    return {
        "type": finding.type,
        "score": finding.score,
        "position_mm": list(finding.position_mm) if finding.position_mm else None,
        "diameter_mm": finding.diameter_mm,
    }
