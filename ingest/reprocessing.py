"""Another run of the models over what is complete: what is announced again, and what waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ingest import operating_store, store
from ingest.desk import Desk
from ingest.hashing import hash_series
from ingest.operating_store import ClaimRow
from voorrang.archive import ArchiveFullError
from voorrang.database import Connection
from voorrang.dicom.geometry import series_geometry
from voorrang.dicom.headers import InstanceHeader
from voorrang.dicom.manifest import encode_manifest, instances_digest
from voorrang.errors import ConfigurationError, RetryableError
from voorrang.events.records import SeriesCompleted

CHANGED = "its images changed at this moment: give the command again"


@dataclass(frozen=True, slots=True)
class Run:
    """One claim to be announced once more, and the announcement but for its run."""

    claim: ClaimRow
    record: SeriesCompleted

    def begin(self, connection: Connection, run: int, now: datetime) -> SeriesCompleted:
        """
        Make the claim wait for the answers of a run; return what to announce.

        Raises
        ------
        RetryableError
            When the claim changed since it was looked at.
        """
        if not operating_store.begin_run(connection, self.claim, run, now):
            raise RetryableError(CHANGED)
        return self.record.model_copy(update={"run": run})


def begin_all(connection: Connection, runs: Sequence[Run], now: datetime) -> list[SeriesCompleted]:
    """
    Begin the next run of each claim; all pathways of a series get one number, since no finding names a pathway.

    Raises
    ------
    RetryableError
        When a claim changed since it was looked at.
    """
    series = {run.claim.series_instance_uid for run in runs}
    numbers = {uid: operating_store.highest_run(connection, uid) + 1 for uid in series}
    return [run.begin(connection, numbers[run.claim.series_instance_uid], now) for run in runs]


def reprocess_claims(desk: Desk, claims: Sequence[ClaimRow], *, may_be_none: bool = False) -> list[Run]:
    """
    Prepare another run of every claim that can have one.

    Raises
    ------
    ConfigurationError
        When none can, and that is not allowed; the message says why the first cannot.
    """
    reasons = [(claim, _why_not(desk, claim)) for claim in claims]
    runs = [Run(claim, _record(desk, claim)) for claim, reason in reasons if not reason]
    if runs or may_be_none:
        return runs
    if not claims:
        raise ConfigurationError("no pathway wants it, so there is nothing to reprocess")
    claim, reason = reasons[0]
    raise ConfigurationError(f"{claim.pathway} series {claim.series_instance_uid}: {reason}")


def _why_not(desk: Desk, claim: ClaimRow) -> str:
    """Return why a claim cannot have another run; empty when it can."""
    if claim.pathway not in desk.pathways:
        return "its pathway is not configured any more"
    if claim.is_deleted:
        return "its images were deleted by retention: have them sent again"
    if claim.is_open:
        return (
            "it waits for images, and its next revision is read anyway: `voorrang ingest force-complete` speeds that up"
        )
    if not claim.completed_revision:
        return "it was never complete: `voorrang where` says why"
    if claim.completed_revision != claim.revision:
        return "it was completed with other images than the series has now: have the series sent again"
    return ""


def _record(desk: Desk, claim: ClaimRow) -> SeriesCompleted:
    hash_series(desk.database, desk.archive, claim.series_instance_uid)
    with desk.database.read() as connection:
        instances = store.series_instances(connection, claim.series_instance_uid)
        told = _told(connection, claim)
    headers = [one.header for one in instances]
    digest = instances_digest(header.sop_instance_uid for header in headers)
    if digest != claim.instances_digest:
        raise RetryableError(CHANGED)
    try:
        manifest = desk.archive.store_manifest(
            claim.study_instance_uid, claim.series_instance_uid, encode_manifest(instances)
        )
    except ArchiveFullError as error:
        raise RetryableError(f"archive: {error}; free some disk and give the command again") from error
    if told is not None:
        return told.model_copy(update={"manifest": manifest})
    return _made_anew(desk, claim, headers, manifest)


def _told(connection: Connection, claim: ClaimRow) -> SeriesCompleted | None:
    """Return what was announced of the revision last, if the outbox still has it."""
    events = operating_store.announced(connection, claim.study_instance_uid, operating_store.COMPLETED_TOPICS)
    wanted = (claim.series_instance_uid, claim.pathway, claim.completed_revision)
    records: list[SeriesCompleted] = [event.data for event in events]
    mine = [r for r in records if (r.series_instance_uid, r.pathway, r.series_revision) == wanted]
    return mine[-1] if mine else None


def _made_anew(desk: Desk, claim: ClaimRow, headers: list[InstanceHeader], manifest: str) -> SeriesCompleted:
    whole = series_geometry(headers).is_whole
    rule = desk.settings.senders.get(claim.sender)
    return SeriesCompleted(
        study_instance_uid=claim.study_instance_uid,
        series_instance_uid=claim.series_instance_uid,
        series_revision=claim.completed_revision,
        instances_digest=claim.instances_digest,
        instance_count=len(headers),
        pathway=claim.pathway,
        lane=(rule.lane if rule else None) or desk.pathways[claim.pathway].lane,
        manifest=manifest,
        last_received_at=claim.last_received_at,
        partial=not whole,
        verdict=("reprocess", "geometry_whole" if whole else "geometry_not_whole"),
    )
