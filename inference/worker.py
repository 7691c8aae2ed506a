"""The worker: a complete series in, one answer from each model of its pathway out."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from inference import rejections, results, rivals, starts
from inference.archived_series import gate_archived
from inference.calibrating import calibration_of
from inference.costing import Prices
from inference.failures import Failure
from inference.key_pictures.keeping import keep_pictures
from inference.reading import Outcome, failed
from inference.results import Identity, Result, result_of
from inference.running.messages import Job, Reader
from inference.selection import Quality
from voorrang import outbox
from voorrang.archive import PictureFolder
from voorrang.calibration import Calibration
from voorrang.errors import InvalidMessageError
from voorrang.events.envelope import Event
from voorrang.events.records import FindingsScored, ScoringState, SeriesCompleted
from voorrang.logs import get_logger
from voorrang.metrics import (
    COMPUTE_COST,
    COMPUTE_SECONDS,
    READING_SECONDS,
    SERIES_FAILED,
    SERIES_OUT_OF_SCOPE,
    SERIES_READ,
)
from voorrang.pathways.pathway import ModelUse
from voorrang.runtime import Origin, Runtime

MAX_STARTS = 5


@dataclass(frozen=True, slots=True)
class Worker:
    """
    Handles `series-completed`.

    An answer is stored and told as soon as it is there, in one transaction; the receipt of the event comes last. So a
    worker that dies in between is followed by one that asks only the models that have not answered yet.

    Of several series of a study that fit, each is read as soon as it is complete unless the model has scored a better
    one by then (ADR 12).

    Parameters
    ----------
    runtime
        The service.
    reader
        Has the models.
    prices
        Of computing.
    """

    runtime: Runtime
    reader: Reader
    prices: Prices = field(default_factory=Prices)
    name: str = field(default_factory=lambda: uuid.uuid4().hex)

    def on_series_completed(self, event: Event[Any]) -> None:
        """Answer for every model of the pathway, each once, whatever is repeated."""
        record: SeriesCompleted = event.data
        pathway = self.runtime.pathways.get(record.pathway)
        if pathway is None:
            raise InvalidMessageError("unknown_pathway", record.pathway)
        with self.runtime.database.read() as connection:
            if outbox.has_receipt(connection, self.runtime.service, event.id):
                return
            is_rejected = rejections.covers(connection, record.series_instance_uid, record.series_revision)
        if is_rejected:
            self.runtime.once(event, lambda connection: starts.forget(connection, event.id))
            return
        left = [use for use in pathway.models if not (self._told_before(event, use) or self._taken_over(event, use))]
        with closing(self._read(event, left)) as outcomes:
            for name, outcome in outcomes:
                use = next(use for use in left if use.name == name)
                pictures = self._keep_pictures(event.data, use, outcome)
                found = result_of(outcome, self.prices, self.runtime.clock.now(), pictures)
                self._tell(event, use, found, outcome.quality)
                if found.computing is not None and found.computing.cost is not None:
                    COMPUTE_COST.labels(name).inc(found.computing.cost)
        self.runtime.once(event, lambda connection: starts.forget(connection, event.id))

    def on_series_rejected(self, event: Event[Any]) -> None:
        """Begin nothing more with rejected images, and tell no answer about them; what was told, others void."""
        self.runtime.once(event, lambda connection: rejections.keep(connection, event.data))

    def _told_before(self, event: Event[Any], use: ModelUse) -> bool:
        """Tell again what is known, which does nothing where it was told; False when nothing is known."""
        with self.runtime.database.read() as connection:
            known = results.find(connection, self._identity(event.data, use), event.data.pathway)
        if known is None:
            return False
        self._tell(event, use, known)
        return True

    def _taken_over(self, event: Event[Any], use: ModelUse) -> bool:
        """Tell what the model said for another pathway, or why this one's gate refuses; False when it must be asked."""
        record: SeriesCompleted = event.data
        identity = self._identity(record, use)
        with self.runtime.database.read() as connection:
            said = results.said(connection, identity)
            others = rivals.find(connection, record, {use.name: identity.model}) if said else ()
        if said is None:
            return False
        wants = self.runtime.pathways[record.pathway].wants
        passes = gate_archived(self.runtime.archive, record.manifest, wants, others)
        if isinstance(passes, Outcome):
            for _, outcome in _counted(iter([(use.name, passes)])):
                self._tell(event, use, result_of(outcome, self.prices, self.runtime.clock.now()))
        elif passes is not None:
            self._tell(event, use, said, passes)
        return passes is not None

    def _read(self, event: Event[Any], uses: Sequence[ModelUse]) -> Generator[tuple[str, Outcome], None, None]:
        if not uses:
            return
        with self.runtime.database.write() as connection:
            count = starts.begin(connection, event.id, self.name)
            others = rivals.find(connection, event.data, {use.name: self.reader.identities[use.name] for use in uses})
        if count > MAX_STARTS:
            get_logger().error("given up", starts=count - 1, pathway=event.data.pathway)
            outcomes = iter([(use.name, failed(Failure.WORKER_DIED)) for use in uses])
        else:
            record: SeriesCompleted = event.data
            wants = self.runtime.pathways[record.pathway].wants
            outcomes = self.reader.read(Job(tuple(use.name for use in uses), record.manifest, wants, others))
        try:
            yield from _counted(outcomes)
        finally:
            if self.runtime.stop.is_set():
                with self.runtime.database.write() as connection:
                    starts.take_back(connection, event.id, self.name)

    def _tell(self, event: Event[Any], use: ModelUse, found: Result, quality: Quality | None = None) -> None:
        """Store a result unless there is one already, and announce the one that counts; `quality` of what is scored."""
        record: SeriesCompleted = event.data
        identity = self._identity(record, use)
        origin = Origin(event.subject, event.patient_key, event.order_key, event.traceparent, event.purpose)
        facts = (
            identity.series_instance_uid,
            identity.series_revision,
            *identity.model.model_dump().values(),
            identity.run,
            record.pathway,
        )
        calibration = self._calibration(record, use)
        with self.runtime.database.write() as connection:
            if rejections.covers(connection, identity.series_instance_uid, identity.series_revision):
                return
            kept = results.keep_first(connection, identity, record.pathway, found, calibration)
            rivals.note(connection, record, identity.model, quality if kept.state is ScoringState.SCORED else None)
            self.runtime.announce(connection, _scored(record, use, identity, kept), origin, facts)
        self.runtime.relay.wake.set()

    def _keep_pictures(self, record: SeriesCompleted, use: ModelUse, outcome: Outcome) -> tuple[str | None, ...]:
        folder = PictureFolder(self.runtime.settings.pictures_dir)
        return keep_pictures(folder, record.study_instance_uid, self._identity(record, use), outcome.pictures)

    def _calibration(self, record: SeriesCompleted, use: ModelUse) -> Calibration | None:
        pathway, model = self.runtime.pathways[record.pathway], self.reader.identities[use.name]
        with self.runtime.database.read() as connection:
            return calibration_of(connection, self.runtime.settings.calibrations_dir, pathway, model)

    def _identity(self, record: SeriesCompleted, use: ModelUse) -> Identity:
        model = self.reader.identities[use.name]
        return Identity(record.series_instance_uid, record.series_revision, model, record.run)


def _counted(outcomes: Iterator[tuple[str, Outcome]]) -> Iterator[tuple[str, Outcome]]:
    """Count outcomes on their way."""
    began = perf_counter()
    for name, outcome in outcomes:
        READING_SECONDS.labels(name).observe(perf_counter() - began)
        SERIES_READ.labels(name, outcome.state.value).inc()
        for reason in outcome.reasons[:1]:
            SERIES_OUT_OF_SCOPE.labels(name, reason.code.value).inc()
        if outcome.failure is not None:
            SERIES_FAILED.labels(name, outcome.failure.value).inc()
        if outcome.computing is not None:
            COMPUTE_SECONDS.labels(name, outcome.computing.device).inc(outcome.computing.seconds)
        yield name, outcome
        began = perf_counter()


def _scored(record: SeriesCompleted, use: ModelUse, identity: Identity, kept: Result) -> FindingsScored:
    return FindingsScored(
        study_instance_uid=record.study_instance_uid,
        series_instance_uid=record.series_instance_uid,
        series_revision=record.series_revision,
        instances_digest=record.instances_digest,
        pathway=record.pathway,
        model=identity.model,
        run=identity.run,
        state=kept.state,
        score=kept.score,
        operating_point=use.operating_point,
        findings=kept.findings,
        reasons=kept.reasons,
        computing=kept.computing,
        last_received_at=record.last_received_at,
        scored_at=kept.scored_at,
    )
