"""Announces series that are complete, and later that they are confirmed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from ingest import store
from ingest.completeness import Arrival, Verdict, confirmation, judge, seconds_to_look_again
from ingest.intake import announce_study, origin_of
from voorrang.archive import ArchiveFullError
from voorrang.dicom.geometry import SeriesGeometry, series_geometry
from voorrang.dicom.headers import InstanceHeader
from voorrang.dicom.manifest import ManifestEntry, encode_manifest, instances_digest
from voorrang.errors import RetryableError
from voorrang.events.records import SeriesCompleted, SeriesConfirmed
from voorrang.metrics import SERIES_COMPLETED
from voorrang.pathways.pathway import Pathway
from voorrang.runtime import Runtime

CONFIRM_WITHIN = timedelta(hours=24)


@dataclass(slots=True)
class Assembler:
    """
    Judges every open claim, and every unconfirmed one, each time it is called.

    Parameters
    ----------
    runtime
        The service.
    """

    runtime: Runtime
    _geometries: dict[str, tuple[int, SeriesGeometry]] = field(default_factory=dict)

    def step(self) -> None:
        """Look at all claims once."""
        now = self.runtime.clock.now()
        with self.runtime.database.read() as connection:
            waiting = store.open_claims(connection)
            unconfirmed = store.unconfirmed_claims(connection, now - CONFIRM_WITHIN)
        for claim in waiting:
            self._judge(claim)
        for completed in unconfirmed:
            self._confirm(completed)
        alive = {c.series_instance_uid for c in waiting} | {c.series_instance_uid for c in unconfirmed}
        self._geometries = {uid: known for uid, known in self._geometries.items() if uid in alive}

    def _judge(self, claim: store.OpenClaim) -> None:
        pathway = self.runtime.pathways.get(claim.pathway)
        arrival = Arrival(claim.began_at, claim.last_received_at)
        now = self.runtime.clock.now()
        if pathway is None or seconds_to_look_again(pathway, arrival, now) > 0:
            return
        geometry = self._geometry(claim.series_instance_uid, claim.instance_count)
        verdict = judge(pathway, geometry, arrival, now)
        if verdict.is_complete:
            self._complete(claim, pathway, verdict)

    def _complete(self, claim: store.OpenClaim, pathway: Pathway, verdict: Verdict) -> None:
        now = self.runtime.clock.now()
        with self.runtime.database.read() as connection:
            instances = store.series_instances(connection, claim.series_instance_uid)
        if len(instances) != claim.instance_count:
            return  # more came while we judged: judge again with them
        digest = instances_digest(header.sop_instance_uid for header, _ in instances)
        content = encode_manifest([ManifestEntry(header, locator) for header, locator in instances])
        try:
            manifest = self.runtime.archive.store_manifest(
                claim.study_instance_uid, claim.series_instance_uid, digest, content
            )
        except ArchiveFullError as error:
            raise RetryableError(f"archive: {error}") from error
        with self.runtime.database.write() as connection:
            revision = store.complete_claim(connection, claim, digest, now)
            if revision is None:
                return
            row = store.study_row(connection, claim.study_instance_uid)
            record = SeriesCompleted(
                study_instance_uid=claim.study_instance_uid,
                series_instance_uid=claim.series_instance_uid,
                series_revision=revision,
                instances_digest=digest,
                instance_count=len(instances),
                pathway=pathway.name,
                lane=pathway.lane,
                manifest=manifest,
                last_received_at=claim.last_received_at,
                partial=verdict.partial,
                verdict=verdict.reasons,
            )
            facts = (claim.series_instance_uid, revision, pathway.name)
            self.runtime.announce(connection, record, origin_of(self.runtime, row), facts, pathway.lane)
            announce_study(self.runtime, connection, claim.study_instance_uid)
        self.runtime.relay.wake.set()
        SERIES_COMPLETED.labels(pathway.name, str(verdict.partial).lower()).inc()

    def _confirm(self, claim: store.UnconfirmedClaim) -> None:
        pathway = self.runtime.pathways.get(claim.pathway)
        if pathway is None:
            return
        arrival = Arrival(claim.began_at, claim.last_received_at)
        now = self.runtime.clock.now()
        if (now - arrival.last_at).total_seconds() < pathway.complete.negative_provisional_until.quiet_seconds:
            return
        code = confirmation(pathway, self._geometry(claim.series_instance_uid, -1), arrival, now)
        if code is None:
            return
        with self.runtime.database.write() as connection:
            if not store.confirm_claim(connection, claim):
                return
            row = store.study_row(connection, claim.study_instance_uid)
            record = SeriesConfirmed(
                study_instance_uid=claim.study_instance_uid,
                series_instance_uid=claim.series_instance_uid,
                series_revision=claim.revision,
                instances_digest=claim.instances_digest,
                pathway=claim.pathway,
                verdict=code,
            )
            facts = (claim.series_instance_uid, claim.revision, claim.pathway)
            self.runtime.announce(connection, record, origin_of(self.runtime, row), facts)
        self.runtime.relay.wake.set()

    def _geometry(self, series_instance_uid: str, instance_count: int) -> SeriesGeometry:
        """Return the geometry; known already for this many instances (-1: however many), or measured."""
        known = self._geometries.get(series_instance_uid)
        if known is not None and instance_count in (known[0], -1):
            return known[1]
        headers = self._headers(series_instance_uid)
        geometry = series_geometry(headers)
        self._geometries[series_instance_uid] = (len(headers), geometry)
        return geometry

    def _headers(self, series_instance_uid: str) -> list[InstanceHeader]:
        with self.runtime.database.read() as connection:
            return [header for header, _ in store.series_instances(connection, series_instance_uid)]
