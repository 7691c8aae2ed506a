"""Rows of ingest: instances, series, studies, claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, case, distinct, func, insert, literal, select, update
from sqlalchemy.exc import DataError

from ingest.received import ReceivedInstance
from ingest.tables import answer, claim, conflict, instance, refusal, series, study
from voorrang.clock import utc
from voorrang.dicom.headers import InstanceHeader
from voorrang.outbox import insert_once
from voorrang.purpose import Purpose

UNFIT = (ValueError, OverflowError, DataError)  # what drivers and databases raise for a value that they cannot hold
NOT_TAKEN_IN = "not_taken_in"  # answered Success, but no row can be made of it: set aside, with its locator


@dataclass(frozen=True, slots=True)
class OpenClaim:
    """A claim whose series holds instances that no completed revision has."""

    series_instance_uid: str
    study_instance_uid: str
    pathway: str
    began_at: datetime
    last_received_at: datetime
    instance_count: int


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


@dataclass(frozen=True, slots=True)
class StudyRow:
    """What is known of a study beside its instances."""

    study_instance_uid: str
    study_version: int
    purpose: Purpose
    patient_key: str
    order_key: str
    prior: bool
    first_received_at: datetime
    last_received_at: datetime


def insert_instance(connection: Connection, received: ReceivedInstance) -> bool:
    """
    Write an instance's row; False when it is there already or is a conflict.

    A conflict has the SOP Instance UID of another: with other bytes beside it, or in another series or study.
    """
    header = received.header
    values = {
        "sop_instance_uid": header.sop_instance_uid,
        "series_instance_uid": header.series_instance_uid,
        "locator": received.locator,
        "size_bytes": received.size_bytes,
        "received_at": received.received_at,
        "header": header.to_json(),
    }
    if not received.is_conflict and insert_once(connection, instance, values):
        return True
    mine = instance.c.locator == received.locator
    if connection.execute(select(instance.c.locator).where(mine)).first() is None:
        beside = ("locator", "sop_instance_uid", "received_at")
        insert_once(connection, conflict, {name: values[name] for name in beside})
    return False


def touch_study(connection: Connection, received: ReceivedInstance, prior: bool) -> bool:
    """Write the study's row or widen its times; True when the study is new."""
    at = received.received_at
    identity = received.identity
    is_new = insert_once(
        connection,
        study,
        {
            "study_instance_uid": identity.study_instance_uid,
            "study_version": 0,
            "purpose": received.purpose.value,
            "patient_key": identity.patient.patient_key,
            "order_key": identity.order_key,
            "prior": prior,
            "first_received_at": at,
            "last_received_at": at,
        },
    )
    if not is_new:
        _widen(connection, study, study.c.study_instance_uid == identity.study_instance_uid, at)
    return is_new


def raise_purpose(connection: Connection, study_instance_uid: str, purpose: Purpose) -> bool:
    """Give a study the purpose that the stack serves; True when it had another: it was sent for that one before."""
    where = (study.c.study_instance_uid == study_instance_uid) & (study.c.purpose != purpose.value)
    return connection.execute(update(study).where(where).values(purpose=purpose.value)).rowcount == 1


def touch_series(connection: Connection, header: InstanceHeader, at: datetime) -> bool:
    """Write the series' row or widen its times; True when the series is new."""
    is_new = insert_once(
        connection,
        series,
        {
            "series_instance_uid": header.series_instance_uid,
            "study_instance_uid": header.study_instance_uid,
            "modality": header.modality[:16],
            "first_received_at": at,
            "last_received_at": at,
            "revision": 0,
            "instances_digest": "",
        },
    )
    if not is_new:
        _widen(connection, series, series.c.series_instance_uid == header.series_instance_uid, at)
    return is_new


def _widen(connection: Connection, table: Table, where: ColumnElement[bool], at: datetime) -> None:
    """Make the times of a row hold a time, in whatever order the instances are taken in."""
    first, last = table.c.first_received_at, table.c.last_received_at
    connection.execute(
        update(table)
        .where(where, (first > at) | (last < at))
        .values(
            first_received_at=case((first > at, literal(at, first.type)), else_=first),
            last_received_at=case((last < at, literal(at, last.type)), else_=last),
        )
    )


def open_claim(connection: Connection, series_instance_uid: str, pathway: str, at: datetime) -> bool:
    """Open a pathway's claim on a series, or open it again for late instances; True when the claim is new."""
    key = {"series_instance_uid": series_instance_uid, "pathway": pathway}
    fresh = {
        "open": True,
        "began_at": at,
        "completed_revision": 0,
        "confirmed_revision": 0,
        "answered_revision": 0,
    }
    if insert_once(connection, claim, key | fresh):
        return True
    where = (claim.c.series_instance_uid == series_instance_uid) & (claim.c.pathway == pathway) & ~claim.c.open
    connection.execute(update(claim).where(where).values(open=True, began_at=at))
    return False


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
        row.order_key,
        row.prior,
        utc(row.first_received_at),
        utc(row.last_received_at),
    )


def study_contents(connection: Connection, study_instance_uid: str) -> tuple[tuple[str, ...], int, int]:
    """Return modalities, number of series and number of instances of a study."""
    mine = series.c.study_instance_uid == study_instance_uid
    modalities = connection.execute(select(series.c.modality).where(mine).distinct()).scalars().all()
    n_series = connection.execute(select(func.count()).select_from(series).where(mine)).scalar_one()
    join = instance.join(series, instance.c.series_instance_uid == series.c.series_instance_uid)
    n_instances = connection.execute(select(func.count()).select_from(join).where(mine)).scalar_one()
    return tuple(sorted(modalities)), int(n_series), int(n_instances)


def study_claims(connection: Connection, study_instance_uid: str) -> list[tuple[str, str]]:
    """Return (series, pathway) of every claim on a study, sorted."""
    rows = connection.execute(
        select(claim.c.series_instance_uid, claim.c.pathway)
        .join(series, series.c.series_instance_uid == claim.c.series_instance_uid)
        .where(series.c.study_instance_uid == study_instance_uid)
        .order_by(claim.c.series_instance_uid, claim.c.pathway)
    )
    return [(row.series_instance_uid, row.pathway) for row in rows]


def open_claims(connection: Connection) -> list[OpenClaim]:
    """Return every claim that awaits completeness."""
    counts = (
        select(instance.c.series_instance_uid, func.count().label("n"))
        .where(instance.c.series_instance_uid.in_(select(claim.c.series_instance_uid).where(claim.c.open)))
        .group_by(instance.c.series_instance_uid)
        .subquery()
    )
    rows = connection.execute(
        select(claim, series.c.study_instance_uid, series.c.last_received_at, counts.c.n)
        .join(series, series.c.series_instance_uid == claim.c.series_instance_uid)
        .join(counts, counts.c.series_instance_uid == claim.c.series_instance_uid)
        .where(claim.c.open)
    )
    return [
        OpenClaim(
            r.series_instance_uid,
            r.study_instance_uid,
            r.pathway,
            utc(r.began_at),
            utc(r.last_received_at),
            r.n,
        )
        for r in rows
    ]


def unconfirmed_claims(connection: Connection, since: datetime) -> list[UnconfirmedClaim]:
    """Return the claims completed since a time whose last revision is not confirmed."""
    rows = connection.execute(
        select(claim, series.c.study_instance_uid, series.c.last_received_at, series.c.instances_digest)
        .join(series, series.c.series_instance_uid == claim.c.series_instance_uid)
        .where(
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
        )
        for r in rows
    ]


def series_heads(connection: Connection, study_instance_uid: str) -> list[InstanceHeader]:
    """Return one header of each series of a study."""
    first = (
        select(func.min(instance.c.sop_instance_uid))
        .join(series, series.c.series_instance_uid == instance.c.series_instance_uid)
        .where(series.c.study_instance_uid == study_instance_uid)
        .group_by(instance.c.series_instance_uid)
    )
    rows = connection.execute(select(instance.c.header).where(instance.c.sop_instance_uid.in_(first)))
    return [InstanceHeader.from_json(row.header) for row in rows]


def series_instances(connection: Connection, series_instance_uid: str) -> list[tuple[InstanceHeader, str]]:
    """Return header and locator of every instance of a series, by SOP Instance UID."""
    rows = connection.execute(
        select(instance.c.header, instance.c.locator)
        .where(instance.c.series_instance_uid == series_instance_uid)
        .order_by(instance.c.sop_instance_uid)
    )
    return [(InstanceHeader.from_json(row.header), row.locator) for row in rows]


def complete_claim(connection: Connection, found: OpenClaim, digest: str, now: datetime) -> int | None:
    """
    Close a claim at the revision that these instances are, unless more have come since it was found.

    Returns
    -------
    int or None
        The revision; None when this pathway has completed exactly these instances before, or when more have come.
    """
    held = select(func.count()).select_from(instance).where(instance.c.series_instance_uid == found.series_instance_uid)
    if connection.execute(held).scalar_one() != found.instance_count:
        return None
    mine = series.c.series_instance_uid == found.series_instance_uid
    row = connection.execute(select(series.c.revision, series.c.instances_digest).where(mine)).one()
    revision = row.revision if row.instances_digest == digest else row.revision + 1
    if revision != row.revision:
        connection.execute(update(series).where(mine).values(revision=revision, instances_digest=digest))
    where = (claim.c.series_instance_uid == found.series_instance_uid) & (claim.c.pathway == found.pathway)
    before = connection.execute(select(claim.c.completed_revision).where(where)).scalar_one()
    connection.execute(update(claim).where(where).values(open=False, completed_revision=revision, completed_at=now))
    return None if before == revision else revision


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


def record_refusal(connection: Connection, reason: str, locator: str | None, now: datetime) -> None:
    """Write down an instance that was refused, and where its bytes are kept."""
    connection.execute(insert(refusal).values(reason=reason, locator=locator, at=now))


def count_instances(connection: Connection) -> int:
    """Return how many accepted instances have a row, conflicts and what could not be taken in too."""
    accepted = connection.execute(select(func.count()).select_from(instance)).scalar_one()
    beside = connection.execute(select(func.count()).select_from(conflict)).scalar_one()
    aside = connection.execute(
        select(func.count(distinct(refusal.c.locator))).where(refusal.c.reason == NOT_TAKEN_IN)
    ).scalar_one()
    return int(accepted) + int(beside) + int(aside)


def known_locators(connection: Connection, locators: Sequence[str]) -> set[str]:
    """Return which of these locators have a row."""
    found = connection.execute(select(instance.c.locator).where(instance.c.locator.in_(locators))).scalars()
    beside = connection.execute(select(conflict.c.locator).where(conflict.c.locator.in_(locators))).scalars()
    aside = connection.execute(select(refusal.c.locator).where(refusal.c.locator.in_(locators))).scalars()
    return {*found, *beside, *(locator for locator in aside if locator is not None)}


def count_waiting(connection: Connection) -> int:
    """Return how many instances belong to a series that awaits more instances or an answer."""
    pending = select(claim.c.series_instance_uid).where(
        claim.c.open | (claim.c.answered_revision < claim.c.completed_revision)
    )
    where = instance.c.series_instance_uid.in_(pending)
    return int(connection.execute(select(func.count()).select_from(instance).where(where)).scalar_one())


def oldest_unanswered(connection: Connection, pathways: Sequence[str]) -> datetime | None:
    """Return when the oldest complete but unanswered series of these pathways was completed."""
    oldest = connection.execute(
        select(func.min(claim.c.completed_at)).where(
            claim.c.pathway.in_(pathways),
            ~claim.c.open,
            claim.c.answered_revision < claim.c.completed_revision,
        )
    ).scalar_one()
    return utc(oldest) if oldest is not None else None
