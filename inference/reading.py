"""One series through one model: gate, assembly, model; the same for a folder and for the event worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inference.assembly import OpenInstance, assemble
from inference.gate import scope_reasons
from inference.model import Model, Opinion
from inference.scope import OutOfScopeError, ScopeReason
from voorrang.dicom.geometry import series_geometry
from voorrang.dicom.headers import InstanceHeader
from voorrang.events.records import ScoringState
from voorrang.pathways.criteria import SeriesCriteria


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of a series at a model.

    Parameters
    ----------
    state
        Scored has an opinion, out of scope has reasons, failed has neither.
    opinion
        What the model said; None unless scored.
    reasons
        Why it is out of scope, the most telling first; empty otherwise.
    message
        For people: the reasons' texts, or the type of the error; empty when scored.
    """

    state: ScoringState
    opinion: Opinion | None = None
    reasons: tuple[ScopeReason, ...] = ()
    message: str = ""


def read_series(
    model: Model,
    headers: Sequence[InstanceHeader],
    open_instance: OpenInstance,
    criteria: SeriesCriteria | None = None,
) -> Outcome:
    """
    Let a model read a series, if it is what the model is for.

    Parameters
    ----------
    model
        Reads the volume.
    headers
        Headers of all instances of the series.
    open_instance
        Opens the DICOM file of a header; OSError from it is raised on, since trying again may help.
    criteria
        What the pathway asks beside the model's own scope; None where there is no pathway.

    Returns
    -------
    Outcome
        An exception of the model other than OutOfScopeError and OSError becomes *failed*, with its type only:
        its text may hold anything.
    """
    try:
        geometry = series_geometry(headers)
        reasons = scope_reasons(headers, geometry, model.scope)
        if criteria is not None:
            said = {reason.code for reason in reasons}
            asked = scope_reasons(headers, geometry, criteria)
            reasons += tuple(reason for reason in asked if reason.code not in said)
        if reasons:
            return _out_of_scope(reasons)
        opinion = model.read(assemble(headers, geometry, open_instance))
    except OutOfScopeError as error:
        return _out_of_scope(error.reasons)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a model raises is recorded; the next series is read
        return Outcome(ScoringState.FAILED, message=type(error).__name__)
    scores = (opinion.score, *(finding.score for finding in opinion.findings))
    if not all(0.0 <= score <= 1.0 for score in scores):  # NaN fails this too, and would read as negative
        return Outcome(ScoringState.FAILED, message="score_out_of_range")
    return Outcome(ScoringState.SCORED, opinion)


def _out_of_scope(reasons: tuple[ScopeReason, ...]) -> Outcome:
    message = " ".join(reason.text for reason in reasons)
    return Outcome(ScoringState.OUT_OF_SCOPE, reasons=reasons, message=message)
