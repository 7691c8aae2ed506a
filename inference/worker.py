"""The worker: a complete series in, one answer from each model of its pathway out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from inference import results
from inference.model import Model
from inference.reading import Outcome, read_series
from inference.results import Identity, Result
from voorrang import outbox
from voorrang.database import Connection
from voorrang.dicom.headers import InstanceHeader
from voorrang.dicom.manifest import ManifestEntry, decode_manifest
from voorrang.errors import InvalidMessageError
from voorrang.events.envelope import Event
from voorrang.events.records import (
    FindingsScored,
    ModelIdentity,
    Reason,
    ScoredFinding,
    ScoringState,
    SeriesCompleted,
)
from voorrang.logs import get_logger
from voorrang.metrics import READING_SECONDS, SERIES_OUT_OF_SCOPE, SERIES_READ
from voorrang.pathways.pathway import ModelUse, Pathway
from voorrang.runtime import Origin, Runtime

ATTEMPTS_TO_READ = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """One model's result for one use of it."""

    use: ModelUse
    identity: Identity
    result: Result


@dataclass(frozen=True, slots=True)
class Worker:
    """
    Handles `series-completed`.

    Parameters
    ----------
    runtime
        The service.
    models
        Loaded once, by name.
    """

    runtime: Runtime
    models: Mapping[str, Model]

    def on_series_completed(self, event: Event[Any]) -> None:
        """Answer for every model of the pathway; the answers and the receipt are one transaction."""
        record: SeriesCompleted = event.data
        pathway = self.runtime.pathways.get(record.pathway)
        if pathway is None:
            raise InvalidMessageError("unknown_pathway", record.pathway)
        with self.runtime.database.read() as connection:
            if outbox.has_receipt(connection, self.runtime.service, event.id):
                return
        entries = self._entries(record)
        answers = [self._answer(record, pathway, use, entries) for use in pathway.models]
        self.runtime.once(event, lambda connection: self._store(connection, event, answers))

    def _answer(
        self, record: SeriesCompleted, pathway: Pathway, use: ModelUse, entries: list[ManifestEntry] | None
    ) -> Answer:
        model = self.models[use.name]
        identity = Identity(record.series_instance_uid, record.series_revision, identity_of(model), record.run)
        with self.runtime.database.read() as connection:
            known = results.find(connection, identity)
        if known is not None:
            return Answer(use, identity, known)
        with READING_SECONDS.labels(use.name).time():
            outcome = self._read(model, pathway, entries)
        return Answer(use, identity, self._result(use.name, outcome))

    def _read(self, model: Model, pathway: Pathway, entries: list[ManifestEntry] | None) -> Outcome:
        if entries is None:
            return Outcome(ScoringState.FAILED, message="manifest_unreadable")
        locators = {entry.header.sop_instance_uid: entry.locator for entry in entries}

        def open_instance(header: InstanceHeader) -> BinaryIO:
            return self.runtime.archive.path(locators[header.sop_instance_uid]).open("rb")

        headers = [entry.header for entry in entries]
        for attempt in range(1, ATTEMPTS_TO_READ + 1):
            try:
                return read_series(model, headers, open_instance, pathway.wants)
            except FileNotFoundError:
                return Outcome(ScoringState.FAILED, message="instance_missing_in_archive")
            except OSError as error:
                get_logger().warning("archive", reason=type(error).__name__, attempt=attempt)
                self.runtime.stop.wait(attempt)
        return Outcome(ScoringState.FAILED, message="archive_unreadable")

    def _entries(self, record: SeriesCompleted) -> list[ManifestEntry] | None:
        try:
            return decode_manifest(self.runtime.archive.read(record.manifest))
        except (OSError, ValueError, KeyError, TypeError) as error:
            get_logger().error("manifest unreadable", reason=type(error).__name__)
            return None

    def _result(self, model_id: str, outcome: Outcome) -> Result:
        SERIES_READ.labels(model_id, outcome.state.value).inc()
        for reason in outcome.reasons[:1]:
            SERIES_OUT_OF_SCOPE.labels(model_id, reason.code.value).inc()
        reasons = [Reason(code=reason.code.value, text=reason.text) for reason in outcome.reasons]
        if outcome.state is ScoringState.FAILED:
            reasons = [Reason(code="failed", text=f"the model failed: {outcome.message}")]
        opinion = outcome.opinion
        return Result(
            outcome.state,
            opinion.score if opinion else None,
            tuple(
                ScoredFinding(type=f.type, score=f.score, position_mm=f.position_mm, diameter_mm=f.diameter_mm)
                for f in (opinion.findings if opinion else ())
            ),
            tuple(reasons),
            self.runtime.clock.now(),
        )

    def _store(self, connection: Connection, event: Event[Any], answers: list[Answer]) -> None:
        record: SeriesCompleted = event.data
        origin = Origin(event.subject, event.patient_key, event.order_key, event.traceparent, event.purpose)
        for answer in answers:
            kept = results.keep_first(connection, answer.identity, answer.result)
            scored = FindingsScored(
                study_instance_uid=record.study_instance_uid,
                series_instance_uid=record.series_instance_uid,
                series_revision=record.series_revision,
                instances_digest=record.instances_digest,
                pathway=record.pathway,
                model=answer.identity.model,
                run=answer.identity.run,
                state=kept.state,
                score=kept.score,
                operating_point=answer.use.operating_point,
                findings=kept.findings,
                reasons=kept.reasons,
                last_received_at=record.last_received_at,
                scored_at=kept.scored_at,
            )
            identity = answer.identity
            facts = (
                identity.series_instance_uid,
                identity.series_revision,
                *identity.model.model_dump().values(),
                identity.run,
                record.pathway,
            )
            self.runtime.announce(connection, scored, origin, facts)


def identity_of(model: Model) -> ModelIdentity:
    """Return which model this is, exactly."""
    return ModelIdentity(model_id=model.model_id, version_label=model.version, weights_digest=model.weights_digest)
