"""One series through its models: gate, assembly, model; the same for a folder and for the event worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter

from inference.assembly import OpenInstance, assemble
from inference.coverage import cut_off_reasons
from inference.failures import Failure, sentence
from inference.gate import scope_reasons
from inference.key_pictures.pictures import draw_pictures
from inference.model import Model, Opinion
from inference.running.conditions import Conditions, Device, Precision
from inference.running.ladder import OutOfMemoryError, read_with_less
from inference.running.memory import DeviceLostError, is_device_lost, is_out_of_memory, release_memory
from inference.scope import OutOfScopeError, ScopeReason
from inference.selection import Quality, Rival, quality_of, why_another
from inference.volume import Volume
from voorrang.dicom.geometry import SeriesGeometry, series_geometry
from voorrang.dicom.headers import InstanceHeader
from voorrang.events.records import ScoringState
from voorrang.pathways.criteria import SeriesCriteria

AS_IT_IS = (Conditions(),)


@dataclass(frozen=True, slots=True)
class Computing:
    """
    What the model itself took, without reading the volume.

    Parameters
    ----------
    seconds
        Wall time of the model, attempts that ran out of memory included.
    device, precision
        Where and how its answer was computed.
    """

    seconds: float
    device: Device
    precision: Precision


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of a series at a model.

    Parameters
    ----------
    state
        Scored has an opinion, out of scope has reasons, failed has a failure.
    opinion
        What the model said; None unless scored.
    reasons
        Why it is out of scope, the most telling first; empty otherwise.
    message
        For people: the reasons' texts, or the type of the error or the code of the failure; empty when scored.
    failure
        Why it failed; None otherwise.
    computing
        What it took; None unless the model answered.
    quality
        Of the series, beside others of its study; None unless the model answered.
    pictures
        PNG of the key picture of each finding of the opinion, or None; empty where none were asked for.
    """

    state: ScoringState
    opinion: Opinion | None = None
    reasons: tuple[ScopeReason, ...] = ()
    message: str = ""
    failure: Failure | None = None
    computing: Computing | None = None
    quality: Quality | None = None
    pictures: tuple[bytes | None, ...] = ()

    @property
    def sentence(self) -> str:
        """The failure in one sentence; empty unless failed."""
        if self.failure is None:
            return ""
        return sentence(self.failure, self.message if self.message != self.failure.value else "")


def failed(failure: Failure, detail: str = "") -> Outcome:
    """Return what became of a series of which nothing came; `detail` is a word of ours or the name of a type."""
    return Outcome(ScoringState.FAILED, message=detail or failure.value, failure=failure)


def read_series(
    model: Model,
    headers: Sequence[InstanceHeader],
    open_instance: OpenInstance,
    criteria: SeriesCriteria | None = None,
    ladder: Sequence[Conditions] = AS_IT_IS,
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
    ladder
        Conditions to compute under, the best first; the later ones when memory runs out.

    Returns
    -------
    Outcome
        An exception of the model other than OutOfScopeError and OSError becomes *failed*, with its type only:
        its text may hold anything.

    Raises
    ------
    DeviceLostError
        When this process can compute nothing more on its GPU: another must.
    """
    ((_, outcome),) = read_with_all({model.model_id: model}, headers, open_instance, criteria, ladder)
    return outcome


def read_with_all(
    models: Mapping[str, Model],
    headers: Sequence[InstanceHeader],
    open_instance: OpenInstance,
    criteria: SeriesCriteria | None = None,
    ladder: Sequence[Conditions] = AS_IT_IS,
    rivals: Sequence[Rival] = (),
    *,
    with_pictures: bool = False,
) -> Iterator[tuple[str, Outcome]]:
    """
    Let several models read a series; its files are read once, and not at all when it is no model's.

    Where several models read one volume, it cannot be written to: what one did to it would be in the other's answer.

    Parameters
    ----------
    models
        By name.
    headers, open_instance, criteria, ladder
        As for `read_series`.
    rivals
        Other series of the study: one that fits is not read by a model that has scored a better one.
    with_pictures
        Draw the key pictures.

    Yields
    ------
    tuple of str and Outcome
        Name and outcome of each model in their order, each as soon as it is there. OSError is raised on.

    Raises
    ------
    DeviceLostError
        When this process can compute nothing more on its GPU: another must.
    """
    try:
        series = _Series(headers, series_geometry(headers), open_instance, is_shared=len(models) > 1)
    except Exception as error:  # noqa: BLE001 - whatever odd headers raise is recorded; the next series is read
        yield from ((name, failed(Failure.MODEL_ERROR, type(error).__name__)) for name in models)
        return
    for name, model in models.items():
        scored = [rival for rival in rivals if name in rival.scored_by]
        outcome = _read(model, series, _Asked(criteria, ladder, scored))
        if with_pictures and outcome.opinion is not None:
            pictures = draw_pictures(outcome.opinion, series.volume(), criteria or model.scope)
            outcome = replace(outcome, pictures=pictures)
        yield name, outcome


def gate(headers: Sequence[InstanceHeader], criteria: SeriesCriteria, rivals: Sequence[Rival]) -> Outcome | Quality:
    """
    Ask the gate of a pathway alone about a series that a model has read for another pathway.

    Parameters
    ----------
    headers
        Headers of all instances of the series.
    criteria
        What the pathway asks.
    rivals
        Other series of the study that the model has scored on this pathway.

    Returns
    -------
    Outcome or Quality
        Out of scope; or, where it passes, what the series is beside others.
    """
    geometry = series_geometry(headers)
    reasons = scope_reasons(headers, geometry, criteria)
    if reasons:
        return _out_of_scope(reasons)
    quality = quality_of(headers, geometry)
    another = why_another(headers[0].series_instance_uid, quality, rivals)
    return quality if another is None else _out_of_scope((another,))


@dataclass(frozen=True, slots=True)
class _Asked:
    """How a model is to read a series: what the pathway asks, the ladder, and what the model has scored already."""

    criteria: SeriesCriteria | None
    ladder: Sequence[Conditions]
    rivals: Sequence[Rival]


class _Series:
    """Headers of a series, and its volume from when the first model asks for it."""

    def __init__(
        self,
        headers: Sequence[InstanceHeader],
        geometry: SeriesGeometry,
        open_instance: OpenInstance,
        *,
        is_shared: bool,
    ) -> None:
        self.headers, self.geometry = headers, geometry
        self._open_instance, self._is_shared = open_instance, is_shared
        self._volume: Volume | None = None
        self._refusal: OutOfScopeError | None = None

    @cached_property
    def quality(self) -> Quality:
        """What counts of the series beside others; it is a stack of slices."""
        return quality_of(self.headers, self.geometry)

    def volume(self) -> Volume:
        """Return the volume, read at the first call."""
        if self._refusal is not None:
            raise self._refusal
        if self._volume is None:
            try:
                self._volume = assemble(self.headers, self.geometry, self._open_instance)
            except OutOfScopeError as error:
                self._refusal = error
                raise
            self._volume.voxels_hu.flags.writeable = not self._is_shared
        return self._volume


def _read(model: Model, series: _Series, asked: _Asked) -> Outcome:
    try:
        reasons = _reasons_before_pixels(model, series, asked)
        if reasons:
            return _out_of_scope(reasons)
        volume = series.volume()
        cut_off = cut_off_reasons(volume, model.scope)
        if cut_off:
            return _out_of_scope(cut_off)
        began = perf_counter()
        opinion, conditions = read_with_less(model, volume, asked.ladder)
        computing = Computing(perf_counter() - began, conditions.device, conditions.precision)
    except OutOfScopeError as error:
        return _out_of_scope(error.reasons)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a model raises is recorded; the next series is read
        if is_device_lost(error):
            raise DeviceLostError from None
        return _failed_of(error)
    scores = (opinion.score, *(finding.score for finding in opinion.findings))
    if not all(0.0 <= score <= 1.0 for score in scores):  # NaN fails this too, and would read as negative
        return failed(Failure.SCORE_OUT_OF_RANGE)
    return Outcome(ScoringState.SCORED, opinion, computing=computing, quality=series.quality)


def _reasons_before_pixels(model: Model, series: _Series, asked: _Asked) -> tuple[ScopeReason, ...]:
    """The gate comes first: a series that does not fit says so, whatever else there is."""
    reasons = scope_reasons(series.headers, series.geometry, model.scope)
    if asked.criteria is not None:
        said = {reason.code for reason in reasons}
        more = scope_reasons(series.headers, series.geometry, asked.criteria)
        reasons += tuple(reason for reason in more if reason.code not in said)
    if reasons or not asked.rivals:
        return reasons
    another = why_another(series.headers[0].series_instance_uid, series.quality, asked.rivals)
    return (another,) if another is not None else ()


def _failed_of(error: Exception) -> Outcome:
    if isinstance(error, OutOfMemoryError) or is_out_of_memory(error):
        release_memory()
        return failed(Failure.OUT_OF_MEMORY)
    return failed(Failure.MODEL_ERROR, type(error).__name__)


def _out_of_scope(reasons: tuple[ScopeReason, ...]) -> Outcome:
    message = " ".join(reason.text for reason in reasons)
    return Outcome(ScoringState.OUT_OF_SCOPE, reasons=reasons, message=message)
