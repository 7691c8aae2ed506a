"""What ingest tells of a study: received, complete, confirmed, deleted, ordered, reported, and what operators did."""

from __future__ import annotations

from sqlalchemy import Connection, func, or_, select

from ingest import operating_store
from ingest.looking_up import Target
from ingest.orders.timeline import study_moments
from ingest.tables import conflict, instance, series, study
from voorrang.clock import utc
from voorrang.events.records import SeriesCompleted, SeriesConfirmed
from voorrang.tables import operator_log
from voorrang.timeline import Moment


def timeline(connection: Connection, study_instance_uid: str) -> list[Moment]:
    """Return the moments of a study that ingest knows."""
    return [
        *_received(connection, study_instance_uid),
        *_conflicts(connection, study_instance_uid),
        *_announced(connection, study_instance_uid),
        *_deleted(connection, study_instance_uid),
        *_acts(connection, study_instance_uid),
        *study_moments(connection, study_instance_uid),
    ]


def _received(connection: Connection, study_instance_uid: str) -> list[Moment]:
    row = connection.execute(select(study).where(study.c.study_instance_uid == study_instance_uid)).one()
    counted = connection.execute(
        select(instance.c.series_instance_uid, func.count().label("n"))
        .join(series, series.c.series_instance_uid == instance.c.series_instance_uid)
        .where(series.c.study_instance_uid == study_instance_uid)
        .group_by(instance.c.series_instance_uid)
    )
    counts = {found.series_instance_uid: int(found.n) for found in counted}
    rows = connection.execute(
        select(series)
        .where(series.c.study_instance_uid == study_instance_uid)
        .order_by(series.c.last_received_at, series.c.series_instance_uid)
    ).all()
    kind = "a prior: " if row.prior else ""
    moments = [Moment(utc(row.first_received_at), "received", f"{kind}first instance, purpose {row.purpose}")]
    for one in rows:
        seconds = (utc(one.last_received_at) - utc(one.first_received_at)).total_seconds()
        number = counts.get(one.series_instance_uid, 0) + one.deleted_instances
        sender = f" from {one.sender}" if one.sender else ""
        words = f"{one.modality} series {one.series_instance_uid}: {number} instances in {seconds:.0f} s{sender}"
        moments.append(Moment(utc(one.last_received_at), "received", words))
    total = sum(counts.values()) + sum(one.deleted_instances for one in rows)
    words = f"last instance so far: {total} instances in {len(rows)} series"
    return [*moments, Moment(utc(row.last_received_at), "received", words)]


def _conflicts(connection: Connection, study_instance_uid: str) -> list[Moment]:
    c = conflict.c
    rows = connection.execute(
        select(c.received_at, c.series_instance_uid, instance.c.series_instance_uid.label("counts"))
        .join(instance, instance.c.sop_instance_uid == c.sop_instance_uid)
        .join(series, series.c.series_instance_uid == instance.c.series_instance_uid)
        .where(or_(series.c.study_instance_uid == study_instance_uid, c.study_instance_uid == study_instance_uid))
    )
    return [
        Moment(utc(row.received_at), "conflict", _conflict_words(row.series_instance_uid, row.counts)) for row in rows
    ]


def _conflict_words(beside: str, counts: str) -> str:
    if beside in ("", counts):
        return "an instance came again with other bytes: one counts, the other is kept beside it"
    return f"an instance of series {beside} has the UID of one of series {counts}: kept beside that, and not read"


def _announced(connection: Connection, study_instance_uid: str) -> list[Moment]:
    """Return what the outbox still has of completions and confirmations, and the last completions that it has not."""
    topics = (*operating_store.COMPLETED_TOPICS, "series-confirmed")
    moments: list[Moment] = []
    told: set[tuple[str, str, int]] = set()
    for event in operating_store.announced(connection, study_instance_uid, topics):
        record: SeriesCompleted | SeriesConfirmed = event.data
        if isinstance(record, SeriesCompleted):
            told.add((record.series_instance_uid, record.pathway, record.series_revision))
            moments.append(Moment(event.time, "complete", _completed_words(record)))
        else:
            words = f"{record.pathway} series {record.series_instance_uid}: revision {record.series_revision}"
            moments.append(Moment(event.time, "confirmed", f"{words} ({_in_words(record.verdict)})"))
    for claim in operating_store.claims_of(connection, Target(study_instance_uid, None, "")):
        key = (claim.series_instance_uid, claim.pathway, claim.completed_revision)
        if claim.completed_at is not None and key not in told:
            words = f"{claim.pathway} series {claim.series_instance_uid}: revision {claim.completed_revision}"
            confirmed = ", confirmed since" if claim.confirmed_revision == claim.completed_revision else ""
            moments.append(Moment(claim.completed_at, "complete", words + confirmed))
    return moments


def _completed_words(record: SeriesCompleted) -> str:
    verdict = record.verdict_text or ", ".join(map(_in_words, record.verdict))
    run = f", run {record.run}" if record.run > 1 else ""
    partial = "PARTIAL, " if record.partial else ""
    return (
        f"{record.pathway} series {record.series_instance_uid}: revision {record.series_revision}{run}, "
        f"{record.instance_count} instances, {partial}{verdict}"
    )


def _deleted(connection: Connection, study_instance_uid: str) -> list[Moment]:
    rows = connection.execute(
        select(series).where(series.c.study_instance_uid == study_instance_uid, series.c.deleted_at.is_not(None))
    )
    return [
        Moment(
            utc(row.deleted_at),
            "deleted",
            f"series {row.series_instance_uid}: {row.deleted_instances} instances, "
            f"{row.deleted_bytes / 1_000_000:.1f} MB, by retention",
        )
        for row in rows
    ]


def _acts(connection: Connection, study_instance_uid: str) -> list[Moment]:
    c = operator_log.c
    subject = or_(c.subject == study_instance_uid, c.subject.startswith(f"{study_instance_uid}/", autoescape=True))
    rows = connection.execute(select(operator_log).where(subject).order_by(c.id))
    return [Moment(utc(row.at), "operator", f"{row.action} by {row.actor} ({row.role}): {row.detail}") for row in rows]


def _in_words(code: str) -> str:
    return code.replace("_", " ")
