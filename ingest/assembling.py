"""Announces series that are complete, and later that they are confirmed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from ingest import store
from ingest.completeness import Evidence, Verdict, confirmation, judge, seconds_since, seconds_to_look_again
from ingest.gathering import Gatherer
from ingest.study_announcing import announce_study, origin_of
from ingest.verdict_wording import verdict_text
from voorrang.archive import ArchiveFullError
from voorrang.database import Connection
from voorrang.dicom.manifest import encode_manifest, instances_digest
from voorrang.errors import RetryableError
from voorrang.events.records import Lane, SeriesCompleted, SeriesConfirmed
from voorrang.metrics import SERIES_COMPLETED
from voorrang.pathways.pathway import Pathway
from voorrang.runtime import Runtime

CONFIRM_WITHIN = timedelta(days=3)  # an ingest that was down for a weekend, or a clock that was a day wrong


@dataclass(slots=True)
class Assembler:
    """
    Judges every open claim, and every unconfirmed one, each time it is called.

    Parameters
    ----------
    runtime
        The service.
    finish_hashes
        Called with a series before it is announced.
    """

    runtime: Runtime
    finish_hashes: Callable[[str], None] = lambda _: None
    _gatherer: Gatherer = field(init=False)

    def __post_init__(self) -> None:
        """Begin without knowing anything."""
        self._gatherer = Gatherer(self.runtime)

    def step(self) -> None:
        """Look at all claims once, the urgent ones first."""
        now = self.runtime.clock.now()
        with self.runtime.database.read() as connection:
            waiting = store.open_claims(connection)
            unconfirmed = store.unconfirmed_claims(connection, now - CONFIRM_WITHIN)
        known = self.runtime.pathways
        mine = [(claim, known[claim.pathway]) for claim in waiting if claim.pathway in known]
        for claim, pathway in sorted(mine, key=lambda one: self._lane(one[1], one[0].sender) != "urgent"):
            self._judge(claim, pathway)
        for completed in unconfirmed:
            if completed.pathway in known:
                self._confirm(completed, known[completed.pathway])
        alive = {c.series_instance_uid for c in waiting} | {c.series_instance_uid for c in unconfirmed}
        self._gatherer.forget_the_rest(alive)

    def _judge(self, claim: store.OpenClaim, pathway: Pathway) -> None:
        now = self.runtime.clock.now()
        allowed = self._gatherer.patience(pathway, claim.sender)
        arrival = self._gatherer.arrival_of_open(claim, now)
        if seconds_to_look_again(allowed, arrival, now) > 0:
            return
        geometry = self._gatherer.geometry(claim.series_instance_uid, claim.instance_count)
        evidence = Evidence(arrival, geometry, self._gatherer.wanting(pathway, claim.study_instance_uid, now))
        verdict = judge(allowed, evidence, now)
        if verdict.is_complete:
            self._complete(claim, pathway, verdict, verdict_text(verdict, evidence, now))

    def _complete(self, claim: store.OpenClaim, pathway: Pathway, verdict: Verdict, text: str) -> None:
        now = self.runtime.clock.now()
        self.finish_hashes(claim.series_instance_uid)
        with self.runtime.database.read() as connection:
            instances = store.series_instances(connection, claim.series_instance_uid)
        if len(instances) != claim.instance_count:
            return  # more came while we judged: judge again with them
        digest = instances_digest(one.header.sop_instance_uid for one in instances)
        content = encode_manifest(instances)
        try:
            manifest = self.runtime.archive.store_manifest(claim.study_instance_uid, claim.series_instance_uid, content)
        except ArchiveFullError as error:
            raise RetryableError(f"archive: {error}") from error
        with self.runtime.database.write() as connection:
            row = store.study_row(connection, claim.study_instance_uid)
            done = None if row.suppressed else store.complete_claim(connection, claim, digest, now)
            if done is None:
                return
            revision, is_new = done
            record = SeriesCompleted(
                study_instance_uid=claim.study_instance_uid,
                series_instance_uid=claim.series_instance_uid,
                series_revision=revision,
                instances_digest=digest,
                instance_count=len(instances),
                pathway=pathway.name,
                lane=self._lane(pathway, claim.sender),
                manifest=manifest,
                last_received_at=claim.last_received_at,
                partial=verdict.partial,
                verdict=tuple(code.value for code in verdict.reasons),
                verdict_text=text,
                run=claim.run,
            )
            if is_new:
                self._announce(connection, record, row)
            announce_study(self.runtime, connection, claim.study_instance_uid)
        self.runtime.relay.wake.set()
        if is_new:
            SERIES_COMPLETED.labels(pathway.name, str(verdict.partial).lower()).inc()

    def _confirm(self, claim: store.UnconfirmedClaim, pathway: Pathway) -> None:
        now = self.runtime.clock.now()
        allowed = self._gatherer.patience(pathway, claim.sender)
        arrival = self._gatherer.arrival_of_unconfirmed(claim, now)
        if seconds_since(arrival.last_at, now) < allowed.confirm_quiet_seconds:
            return
        geometry = self._gatherer.geometry(claim.series_instance_uid)
        evidence = Evidence(arrival, geometry, self._gatherer.wanting(pathway, claim.study_instance_uid, now))
        code = confirmation(pathway, allowed, evidence, now)
        if code is None:
            return
        with self.runtime.database.write() as connection:
            row = store.study_row(connection, claim.study_instance_uid)
            if row.suppressed or not store.confirm_claim(connection, claim):
                return
            record = SeriesConfirmed(
                study_instance_uid=claim.study_instance_uid,
                series_instance_uid=claim.series_instance_uid,
                series_revision=claim.revision,
                instances_digest=claim.instances_digest,
                pathway=claim.pathway,
                verdict=code.value,
            )
            self._announce(connection, record, row)
        self.runtime.relay.wake.set()

    def _announce(self, connection: Connection, record: SeriesCompleted | SeriesConfirmed, row: store.StudyRow) -> None:
        facts = (record.series_instance_uid, record.series_revision, record.pathway)
        lane = record.lane if isinstance(record, SeriesCompleted) else None
        self.runtime.announce(connection, record, origin_of(self.runtime, row), facts, lane)

    def _lane(self, pathway: Pathway, sender: str) -> Lane:
        """Return the pathway's lane, or the one that is agreed with the sender."""
        rule = self.runtime.settings.senders.get(sender)
        return rule.lane if rule and rule.lane else pathway.lane
