"""Rows of ingest: instances, series, studies, claims."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, distinct, func, select, true, update

from ingest.hashing_store import MISSING
from ingest.standing_store import is_rejected, serves, stands
from ingest.tables import answer, claim, conflict, instance, refusal, removal, series, study
from voorrang.clock import utc
from voorrang.dicom.headers import InstanceHeader
from voorrang.dicom.manifest import ManifestEntry
from voorrang.events.records import Claim
from voorrang.outbox import insert_once
from voorrang.purpose import Purpose

NOT_TAKEN_IN = "not_taken_in"  # answered Success, but no row can be made of it: set aside, with its locator
# Series that nobody awaits an answer of, since an operator has suppressed their study.
_OF_SUPPRESSED = (
    select(series.c.series_instance_uid)
    .join(study, study.c.study_instance_uid == series.c.study_instance_uid)
    .where(study.c.suppressed_at.is_not(None))
)
# Series of which retention has deleted the images, and none has come since: no answer is to be had any more.
_OF_DELETED = select(series.c.series_instance_uid).where(
    series.c.deleted_at.is_not(None), series.c.last_received_at < series.c.deleted_at
)


@dataclass(frozen=True, slots=True)
class OpenClaim:
    """A claim whose series holds instances that no completed revision has; `forced`: an operator waits no more."""

    series_instance_uid: str
    study_instance_uid: str
    pathway: str
    began_at: datetime
    last_received_at: datetime
    instance_count: int
    sender: str
    forced: bool
    run: int


@dataclass(frozen=True, slots=True)
class UnconfirmedClaim:
    """A completed claim that may still be confirmed."""

    series_instance_uid: str
    study_instance_uid: str
    pathway: str
    revision: int
    instances_digest: str
    began_at: datetime
    last_received_at: datetime
    sender: str


@dataclass(frozen=True, slots=True)
class StudyRow:
    """What is known of a study beside its instances; `order_key` of its own number, or of the order that names it."""

    study_instance_uid: str
    study_version: int
    purpose: Purpose
    patient_key: str
    order_key: str
    prior: bool
    first_received_at: datetime
    last_received_at: datetime
    suppressed: bool


def next_study_version(connection: Connection, study_instance_uid: str) -> int:
    """Raise the study's version by one and return it."""
    where = study.c.study_instance_uid == study_instance_uid
    connection.execute(update(study).where(where).values(study_version=study.c.study_version + 1))
    return int(connection.execute(select(study.c.study_version).where(where)).scalar_one())


def study_row(connection: Connection, study_instance_uid: str) -> StudyRow:
    """Return the row of a study that exists."""
    row = connection.execute(select(study).where(study.c.study_instance_uid == study_instance_uid)).one()
    return StudyRow(
        row.study_instance_uid,
        row.study_version,
        Purpose(row.purpose),
        row.patient_key,
        row.named_by or row.order_key,
        row.prior,
        utc(row.first_received_at),
        utc(row.last_received_at),
        row.suppressed_at is not None,
    )


def study_contents(connection: Connection, study_instance_uid: str) -> tuple[tuple[str, ...], int, int]:
    """Return modalities, number of series and number of instances of a study, of what came for its purpose."""
    of_study = select(series.c.series_instance_uid).where(series.c.study_instance_uid == study_instance_uid)
    uid, purpose = instance.c.series_instance_uid, instance.c.purpose
    counted = select(uid, purpose, func.count().label("n")).where(uid.in_(of_study)).group_by(uid, purpose)
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for row in connection.execute(counted):
        counts[row.series_instance_uid][row.purpose] = row.n
    every = connection.execute(
        select(series.c.series_instance_uid, series.c.modality, study.c.purpose)
        .join(study, study.c.study_instance_uid == series.c.study_instance_uid)
        .where(series.c.study_instance_uid == study_instance_uid)
    ).all()
    # A series without any instance counts: it is deleted, or another has the UIDs of its instances.
    mine = [row for row in every if row.purpose in counts.get(row.series_instance_uid, {row.purpose})]
    n_instances = sum(counts[row.series_instance_uid].get(row.purpose, 0) for row in mine)
    return tuple(sorted({row.modality for row in mine})), len(mine), n_instances


def study_claims(connection: Connection, study_instance_uid: str) -> tuple[Claim, ...]:
    """Return what is told of every claim on a study, sorted."""
    c = claim.c
    rows = connection.execute(
        select(c.series_instance_uid, c.pathway, c.completed_revision.label("series_revision"), c.open)
        .join(series, series.c.series_instance_uid == claim.c.series_instance_uid)
        .where(series.c.study_instance_uid == study_instance_uid)
        .order_by(claim.c.series_instance_uid, claim.c.pathway)
    )
    return tuple(Claim.model_validate(dict(row)) for row in rows.mappings())


def open_claims(connection: Connection) -> list[OpenClaim]:
    """Return every claim that awaits completeness; none of a study that an operator has suppressed."""
    # Asked for four times a second: joined, since `serves` looks the study up for each instance.
    counts = (
        select(series.c.series_instance_uid, func.count().label("n"))
        .join(study, study.c.study_instance_uid == series.c.study_instance_uid)
        .join(instance, instance.c.series_instance_uid == series.c.series_instance_uid)
        .where(
            series.c.series_instance_uid.in_(select(claim.c.series_instance_uid).where(claim.c.open)),
            instance.c.purpose == study.c.purpose,
            ~is_rejected(),
        )
        .group_by(series.c.series_instance_uid)
        .subquery()
    )
    rows = connection.execute(
        select(claim, series.c.study_instance_uid, series.c.last_received_at, series.c.sender, counts.c.n)
        .join(series, series.c.series_instance_uid == claim.c.series_instance_uid)
        .join(study, study.c.study_instance_uid == series.c.study_instance_uid)
        .join(counts, counts.c.series_instance_uid == claim.c.series_instance_uid)
        .where(claim.c.open, study.c.suppressed_at.is_(None))
    )
    return [
        OpenClaim(
            r.series_instance_uid,
            r.study_instance_uid,
            r.pathway,
            utc(r.began_at),
            utc(r.last_received_at),
            r.n,
            r.sender,
            r.forced_at is not None,
            r.run,
        )
        for r in rows
    ]


def unconfirmed_claims(connection: Connection, since: datetime) -> list[UnconfirmedClaim]:
    """Return the claims completed since a time whose last revision is not confirmed; none of a suppressed study."""
    of_series = (series.c.study_instance_uid, series.c.last_received_at, series.c.instances_digest, series.c.sender)
    rows = connection.execute(
        select(claim, *of_series)
        .join(series, series.c.series_instance_uid == claim.c.series_instance_uid)
        .join(study, study.c.study_instance_uid == series.c.study_instance_uid)
        .where(
            study.c.suppressed_at.is_(None),
            ~claim.c.open,
            claim.c.confirmed_revision < claim.c.completed_revision,
            claim.c.completed_revision == series.c.revision,
            claim.c.completed_at >= since,
        )
    )
    return [
        UnconfirmedClaim(
            r.series_instance_uid,
            r.study_instance_uid,
            r.pathway,
            r.completed_revision,
            r.instances_digest,
            utc(r.began_at),
            utc(r.last_received_at),
            r.sender,
        )
        for r in rows
    ]


def series_heads(connection: Connection, study_instance_uid: str) -> list[InstanceHeader]:
    """Return one header of each series of a study, of what came for its purpose."""
    first = (
        select(func.min(instance.c.sop_instance_uid))
        .join(series, series.c.series_instance_uid == instance.c.series_instance_uid)
        .where(series.c.study_instance_uid == study_instance_uid, serves())
        .group_by(instance.c.series_instance_uid)
    )
    rows = connection.execute(select(instance.c.header).where(instance.c.sop_instance_uid.in_(first)))
    return [InstanceHeader.from_json(row.header) for row in rows]


def series_instances(connection: Connection, series_instance_uid: str) -> list[ManifestEntry]:
    """Return every instance of a series that stands, by SOP Instance UID; without a hash where none could be made."""
    rows = connection.execute(
        select(instance.c.header, instance.c.locator, instance.c.content_sha256)
        .where(instance.c.series_instance_uid == series_instance_uid, stands())
        .order_by(instance.c.sop_instance_uid)
    )
    return [
        ManifestEntry(
            InstanceHeader.from_json(row.header),
            row.locator,
            row.content_sha256 if row.content_sha256 != MISSING else "",
        )
        for row in rows
    ]


def complete_claim(connection: Connection, found: OpenClaim, digest: str, now: datetime) -> tuple[int, bool] | None:
    """
    Close a claim at the revision that these instances are, unless more have come since it was found.

    Returns
    -------
    tuple of int and bool, or None
        The revision, and whether this pathway has not completed exactly these instances before; None when more have
        come.
    """
    mine = instance.c.series_instance_uid == found.series_instance_uid
    held = select(func.count()).select_from(instance).where(mine, stands())
    if connection.execute(held).scalar_one() != found.instance_count:
        return None
    mine = series.c.series_instance_uid == found.series_instance_uid
    row = connection.execute(select(series.c.revision, series.c.instances_digest).where(mine)).one()
    revision = row.revision if row.instances_digest == digest else row.revision + 1
    if revision != row.revision:
        connection.execute(update(series).where(mine).values(revision=revision, instances_digest=digest))
    where = (claim.c.series_instance_uid == found.series_instance_uid) & (claim.c.pathway == found.pathway)
    before = connection.execute(select(claim.c.completed_revision).where(where)).scalar_one()
    # What an operator forced is done with: late slices are waited for again.
    closed = {"open": False, "completed_revision": revision, "completed_at": now, "forced_at": None}
    connection.execute(update(claim).where(where).values(closed))
    return revision, revision != before


def confirm_claim(connection: Connection, found: UnconfirmedClaim) -> bool:
    """Write that a revision is confirmed; False when more instances have come since the claim was found."""
    where = (claim.c.series_instance_uid == found.series_instance_uid) & (claim.c.pathway == found.pathway)
    still = ~claim.c.open & (claim.c.completed_revision == found.revision)
    return connection.execute(update(claim).where(where, still).values(confirmed_revision=found.revision)).rowcount == 1


def record_answer(
    connection: Connection, series_instance_uid: str, pathway: str, revision: int, model_id: str
) -> frozenset[str]:
    """Write that a model has answered; return the models that have answered this revision for this pathway."""
    key = {"series_instance_uid": series_instance_uid, "pathway": pathway, "revision": revision}
    insert_once(connection, answer, key | {"model_id": model_id})
    where = [answer.c[name] == value for name, value in key.items()]
    return frozenset(connection.execute(select(answer.c.model_id).where(*where)).scalars())


def close_answered(connection: Connection, series_instance_uid: str, pathway: str, revision: int) -> None:
    """Write that every model of a pathway has answered a revision; a lower one changes nothing."""
    where = (claim.c.series_instance_uid == series_instance_uid) & (claim.c.pathway == pathway)
    connection.execute(
        update(claim).where(where, claim.c.answered_revision < revision).values(answered_revision=revision)
    )


def count_instances(connection: Connection) -> int:
    """Return how many accepted instances have a row, conflicts and what could not be taken in too."""
    accepted = connection.execute(select(func.count()).select_from(instance)).scalar_one()
    beside = connection.execute(select(func.count()).select_from(conflict)).scalar_one()
    aside = connection.execute(
        select(func.count(distinct(refusal.c.locator))).where(refusal.c.reason == NOT_TAKEN_IN)
    ).scalar_one()
    return int(accepted) + int(beside) + int(aside)


def known_locators(connection: Connection, locators: Sequence[str]) -> set[str]:
    """Return which of these locators have a row, or are to be removed."""
    found = connection.execute(select(instance.c.locator).where(instance.c.locator.in_(locators))).scalars()
    beside = connection.execute(select(conflict.c.locator).where(conflict.c.locator.in_(locators))).scalars()
    aside = connection.execute(select(refusal.c.locator).where(refusal.c.locator.in_(locators))).scalars()
    going = connection.execute(select(removal.c.locator).where(removal.c.locator.in_(locators))).scalars()
    return {*found, *beside, *going, *(locator for locator in aside if locator is not None)}


def count_waiting(connection: Connection) -> int:
    """Return how many instances belong to a series that awaits more instances or an answer."""
    pending = select(claim.c.series_instance_uid).where(
        claim.c.open | (claim.c.answered_revision < claim.c.completed_revision),
        claim.c.series_instance_uid.not_in(_OF_SUPPRESSED),
    )
    where = instance.c.series_instance_uid.in_(pending) & stands()
    return int(connection.execute(select(func.count()).select_from(instance).where(where)).scalar_one())


def oldest_unanswered(
    connection: Connection, pathways: Sequence[str], *, only: Sequence[str] | None = None, but: Sequence[str] = ()
) -> datetime | None:
    """
    Return when the oldest complete but unanswered series of these pathways was completed.

    Parameters
    ----------
    connection
        A reading transaction.
    pathways
        Which.
    only, but
        Calling AE titles: of no other sender's series; of none of theirs.
    """
    sent_by = select(series.c.sender).where(series.c.series_instance_uid == claim.c.series_instance_uid)
    sender = sent_by.scalar_subquery()
    oldest = connection.execute(
        select(func.min(claim.c.completed_at)).where(
            true() if only is None else sender.in_(only),
            sender.not_in(but),
            claim.c.pathway.in_(pathways),
            ~claim.c.open,
            claim.c.answered_revision < claim.c.completed_revision,
            claim.c.series_instance_uid.not_in(_OF_SUPPRESSED),
            claim.c.series_instance_uid.not_in(_OF_DELETED),
        )
    ).scalar_one()
    return utc(oldest) if oldest is not None else None
