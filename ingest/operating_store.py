"""Rows that operators' acts change: claims, studies, what is in the outbox of ingest, and the log of the acts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, insert, select, update

from ingest.looking_up import Target
from ingest.tables import answer, claim, series, study
from voorrang.clock import utc
from voorrang.events.envelope import Event, decode
from voorrang.register import Actor
from voorrang.tables import operator_log, outbox
from voorrang.topics import TOPICS

SERVICE = "ingest"
COMPLETED_TOPICS = tuple(topic.name for topic in TOPICS if topic.event_type == "series-completed")
STUDY_TOPICS = (*COMPLETED_TOPICS, "series-confirmed", "study-updated")


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """What a pathway makes of a series; `revision`, `instances_digest` and `sender` are those of the series now."""

    series_instance_uid: str
    study_instance_uid: str
    pathway: str
    is_open: bool
    began_at: datetime
    last_received_at: datetime
    completed_at: datetime | None
    completed_revision: int
    confirmed_revision: int
    answered_revision: int
    run: int
    is_forced: bool
    revision: int
    instances_digest: str
    sender: str
    is_deleted: bool

    @property
    def awaits_answer(self) -> bool:
        """Whether a revision was announced that not every model has answered."""
        return not self.is_open and self.answered_revision < self.completed_revision


def log_act(connection: Connection, at: datetime, by: Actor, action: str, subject: str, detail: str) -> int:
    """Write a row of the operators' log and return its number."""
    values = {"at": at, "actor": by.actor, "role": by.role, "action": action, "subject": subject, "detail": detail}
    key = connection.execute(insert(operator_log).values(**values)).inserted_primary_key
    return int(key[0]) if key else 0


def claims_of(connection: Connection, target: Target) -> list[ClaimRow]:
    """Return the claims on a study, or on one series of it, sorted."""
    rows = connection.execute(
        select(claim, series)
        .join(series, series.c.series_instance_uid == claim.c.series_instance_uid)
        .where(_of(target))
        .order_by(series.c.first_received_at, claim.c.series_instance_uid, claim.c.pathway)
    )
    return [
        ClaimRow(
            row[claim.c.series_instance_uid],
            row[series.c.study_instance_uid],
            row[claim.c.pathway],
            row[claim.c.open],
            utc(row[claim.c.began_at]),
            utc(row[series.c.last_received_at]),
            utc(row[claim.c.completed_at]) if row[claim.c.completed_at] else None,
            row[claim.c.completed_revision],
            row[claim.c.confirmed_revision],
            row[claim.c.answered_revision],
            row[claim.c.run],
            row[claim.c.forced_at] is not None,
            row[series.c.revision],
            row[series.c.instances_digest],
            row[series.c.sender],
            _is_deleted(row),
        )
        for row in (found._mapping for found in rows)
    ]


def force(connection: Connection, target: Target, now: datetime) -> int:
    """Mark the open claims of a study or a series, so that they go on with what is there; return how many."""
    mine = claim.c.series_instance_uid.in_(select(series.c.series_instance_uid).where(_of(target)))
    return connection.execute(update(claim).where(mine, claim.c.open).values(forced_at=now)).rowcount


def begin_run(connection: Connection, found: ClaimRow, run: int, now: datetime) -> bool:
    """
    Make a completed claim wait for the answers of another run; False when the claim changed since it was found.

    What was answered before counts no more: the rows go, and `is_superseded` keeps a late answer out.
    """
    mine = (claim.c.series_instance_uid == found.series_instance_uid) & (claim.c.pathway == found.pathway)
    still = ~claim.c.open & (claim.c.completed_revision == found.completed_revision) & (claim.c.run == found.run)
    values = {
        "run": run,
        "answered_revision": min(found.answered_revision, found.completed_revision - 1),
        "completed_at": now,  # whose age is the age of what is awaited
    }
    images = series.c.series_instance_uid == found.series_instance_uid
    digest = connection.execute(select(series.c.instances_digest).where(images)).scalar_one()
    if digest != found.instances_digest:  # retention has taken them
        return False
    if connection.execute(update(claim).where(mine, still).values(**values)).rowcount != 1:
        return False
    connection.execute(
        delete(answer).where(
            answer.c.series_instance_uid == found.series_instance_uid,
            answer.c.pathway == found.pathway,
            answer.c.revision == found.completed_revision,
        )
    )
    return True


def highest_run(connection: Connection, series_instance_uid: str) -> int:
    """Return the highest run of any pathway on a series: a finding's identity names no pathway."""
    query = select(func.coalesce(func.max(claim.c.run), 1)).where(claim.c.series_instance_uid == series_instance_uid)
    return int(connection.execute(query).scalar_one())


def is_superseded(connection: Connection, series_instance_uid: str, pathway: str, revision: int, run: int) -> bool:
    """Tell whether an answer is of a run before the one that was commanded for its revision."""
    query = select(claim.c.run).where(
        claim.c.series_instance_uid == series_instance_uid,
        claim.c.pathway == pathway,
        claim.c.completed_revision == revision,
        claim.c.run > run,
    )
    return connection.execute(query).first() is not None


def answered_models(connection: Connection, found: ClaimRow) -> frozenset[str]:
    """Return the models that have answered the completed revision of a claim."""
    query = select(answer.c.model_id).where(
        answer.c.series_instance_uid == found.series_instance_uid,
        answer.c.pathway == found.pathway,
        answer.c.revision == found.completed_revision,
    )
    return frozenset(connection.execute(query).scalars())


def hold(connection: Connection, study_instance_uid: str, held: bool) -> bool:
    """Keep a study from retention, or no longer; False when that is so already."""
    where = (study.c.study_instance_uid == study_instance_uid) & (study.c.held != held)
    return connection.execute(update(study).where(where).values(held=held)).rowcount == 1


def suppress(connection: Connection, study_instance_uid: str, at: datetime | None) -> bool:
    """Mark a study as suppressed at a time, or no longer; False when that is so already."""
    is_so = study.c.suppressed_at.is_not(None) if at else study.c.suppressed_at.is_(None)
    where = (study.c.study_instance_uid == study_instance_uid) & ~is_so
    return connection.execute(update(study).where(where).values(suppressed_at=at)).rowcount == 1


def put_up_again(connection: Connection, study_instance_uid: str, topics: Sequence[str]) -> int:
    """Give the events of a study on these topics to the relay once more; return how many the outbox still has."""
    where = _events_of(study_instance_uid, topics)
    return connection.execute(update(outbox).where(where).values(published_at=None, answered_at=None)).rowcount


def withdraw(connection: Connection, study_instance_uid: str, now: datetime) -> int:
    """Keep the relay and the reconciler off the `series-completed` of a study that nobody answered; return how many."""
    where = _events_of(study_instance_uid, COMPLETED_TOPICS) & outbox.c.answered_at.is_(None)
    values = {"published_at": func.coalesce(outbox.c.published_at, now), "answered_at": now}
    return connection.execute(update(outbox).where(where).values(**values)).rowcount


def announced(connection: Connection, study_instance_uid: str, topics: Sequence[str]) -> list[Event[Any]]:
    """Return the events of a study on these topics that the outbox still has, oldest first."""
    where = _events_of(study_instance_uid, topics)
    return [
        decode(payload)
        for payload in connection.execute(select(outbox.c.payload).where(where).order_by(outbox.c.id)).scalars()
    ]


def _is_deleted(row: RowMapping) -> bool:
    """Tell whether retention took the images of a series and none came since."""
    deleted_at = row[series.c.deleted_at]
    return deleted_at is not None and utc(row[series.c.last_received_at]) < utc(deleted_at)


def _events_of(study_instance_uid: str, topics: Sequence[str]) -> ColumnElement[bool]:
    mine = (outbox.c.service == SERVICE) & (outbox.c.key == study_instance_uid)
    return mine & outbox.c.topic.in_(list(topics))


def _of(target: Target) -> ColumnElement[bool]:
    if target.series_instance_uid is not None:
        return series.c.series_instance_uid == target.series_instance_uid
    return series.c.study_instance_uid == target.study_instance_uid
