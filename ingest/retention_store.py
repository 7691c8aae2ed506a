"""Rows that retention reads and writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, literal, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from ingest.retention import REST, ClaimFacts, SeriesFacts
from ingest.tables import claim, conflict, instance, removal, series, study
from voorrang.archive.manifests import series_of
from voorrang.clock import utc
from voorrang.outbox import insert_once

# Deleted is what retention took and nothing came of since.
_IS_HERE = series.c.deleted_at.is_(None) | (series.c.last_received_at >= series.c.deleted_at)
_IS_BESIDE = conflict.c.sop_instance_uid == instance.c.sop_instance_uid


@dataclass(frozen=True, slots=True)
class Size:
    """How much a series is: instances with those kept beside one of the same UID, whose bytes are not counted."""

    instance_count: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Removal:
    """A file that is to be removed, unless it is in use: it came again, or is the manifest of a series that did."""

    locator: str
    is_in_use: bool


def facts(connection: Connection, now: datetime, study_instance_uid: str | None = None) -> list[SeriesFacts]:
    """Return what decides about every series that is here, or about those of one study."""
    mine = true() if study_instance_uid is None else series.c.study_instance_uid == study_instance_uid
    claims = _claims(connection, mine)
    open_studies = _open_studies(connection, mine)
    active = _latest_acts(connection, mine, now - REST)
    rows = connection.execute(
        select(
            series.c.series_instance_uid,
            series.c.study_instance_uid,
            series.c.last_received_at,
            study.c.last_received_at.label("study_received_at"),
            study.c.held,
        )
        .join(study, study.c.study_instance_uid == series.c.study_instance_uid)
        .where(mine, _IS_HERE)
    )
    return [
        SeriesFacts(
            r.series_instance_uid,
            r.study_instance_uid,
            utc(r.last_received_at),
            max([utc(r.study_received_at), *active[r.study_instance_uid]]),
            r.held,
            r.study_instance_uid in open_studies,
            tuple(claims[r.series_instance_uid]),
        )
        for r in rows
    ]


def sizes(connection: Connection, series_instance_uids: Sequence[str]) -> dict[str, Size]:
    """Return how much each of these series is; one without instances is left out."""
    wanted = instance.c.series_instance_uid.in_(list(series_instance_uids))
    rows = connection.execute(
        select(instance.c.series_instance_uid, func.count().label("n"), func.sum(instance.c.size_bytes).label("size"))
        .where(wanted)
        .group_by(instance.c.series_instance_uid)
    )
    beside = connection.execute(
        select(instance.c.series_instance_uid, func.count().label("n"))
        .join(conflict, _IS_BESIDE)
        .where(wanted)
        .group_by(instance.c.series_instance_uid)
    )
    more = {r.series_instance_uid: r.n for r in beside}
    return {r.series_instance_uid: Size(r.n + more.get(r.series_instance_uid, 0), int(r.size)) for r in rows}


def take_rows(connection: Connection, series_instance_uid: str, beside: Sequence[str], now: datetime) -> int:
    """
    Delete the rows of a series' instances, and write down what is now to be removed from the archive.

    What is deleted is added to the series' row: rows and deleted instances together stay what was accepted. The digest
    goes, so that the series completes again, as its next revision, when it is sent again.

    Returns
    -------
    int
        How many instances of the series were ever deleted: another number for each deletion.
    """
    size = sizes(connection, [series_instance_uid]).get(series_instance_uid, Size(0, 0))
    mine = instance.c.series_instance_uid == series_instance_uid
    uids = select(instance.c.sop_instance_uid).where(mine)
    conflicting = conflict.c.sop_instance_uid.in_(uids)
    for query in (
        select(instance.c.locator, literal(now, removal.c.decided_at.type)).where(mine),
        select(conflict.c.locator, literal(now, removal.c.decided_at.type)).where(conflicting),
    ):
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        statement = dialect.insert(removal).from_select(["locator", "decided_at"], query)
        connection.execute(statement.on_conflict_do_nothing())
    for locator in beside:
        insert_once(connection, removal, {"locator": locator, "decided_at": now})
    connection.execute(delete(conflict).where(conflicting))
    connection.execute(delete(instance).where(mine))
    row = series.c.series_instance_uid == series_instance_uid
    connection.execute(
        update(series)
        .where(row)
        .values(
            deleted_at=now,
            deleted_instances=series.c.deleted_instances + size.instance_count,
            deleted_bytes=series.c.deleted_bytes + size.size_bytes,
            instances_digest="",
        )
    )
    return int(connection.execute(select(series.c.deleted_instances).where(row)).scalar_one())


def deleted_instances(connection: Connection) -> int:
    """Return how many accepted instances retention has deleted: with the rows they are what was accepted."""
    return int(connection.execute(select(func.coalesce(func.sum(series.c.deleted_instances), 0))).scalar_one())


def in_use(connection: Connection, locators: Sequence[str]) -> set[str]:
    """Return which of these have a row, and which are manifests of a series that has instances."""
    found = select(instance.c.locator).where(instance.c.locator.in_(locators))
    beside = select(conflict.c.locator).where(conflict.c.locator.in_(locators))
    series_of_manifest = {locator: uid for locator in locators if (uid := series_of(locator))}
    uids = instance.c.series_instance_uid
    here = set(connection.execute(select(uids).where(uids.in_(series_of_manifest.values())).distinct()).scalars())
    manifests = {locator for locator, uid in series_of_manifest.items() if uid in here}
    return {*connection.execute(found).scalars(), *connection.execute(beside).scalars()} | manifests


def listed(connection: Connection, locator: str) -> bool:
    """Tell whether a file is still to be removed."""
    return connection.execute(select(removal.c.locator).where(removal.c.locator == locator)).first() is not None


def removals(connection: Connection, after: str, limit: int) -> list[Removal]:
    """Return what is still to be removed from the archive, the first after a locator first."""
    query = select(removal.c.locator).where(removal.c.locator > after).order_by(removal.c.locator).limit(limit)
    locators = list(connection.execute(query).scalars())
    used = in_use(connection, locators)
    return [Removal(locator, locator in used) for locator in locators]


def forget_removals(connection: Connection, locators: Sequence[str]) -> None:
    """Write that these are removed."""
    if locators:
        statement = delete(removal).where(removal.c.locator == bindparam("gone"))
        connection.execute(statement, [{"gone": locator} for locator in locators])


def _claims(connection: Connection, mine: ColumnElement[bool]) -> dict[str, list[ClaimFacts]]:
    is_answered = (
        ~claim.c.open & (claim.c.completed_revision > 0) & (claim.c.answered_revision >= claim.c.completed_revision)
    )
    rows = connection.execute(
        select(claim.c.series_instance_uid, claim.c.pathway, is_answered)
        .join(series, series.c.series_instance_uid == claim.c.series_instance_uid)
        .where(mine, _IS_HERE)
    )
    found: dict[str, list[ClaimFacts]] = defaultdict(list)
    for uid, pathway, answered in rows:
        found[uid].append(ClaimFacts(pathway, bool(answered)))
    return found


def _open_studies(connection: Connection, mine: ColumnElement[bool]) -> set[str]:
    """Return the studies in which a claim awaits completeness: in one that is suppressed, none ever would."""
    rows = connection.execute(
        select(series.c.study_instance_uid)
        .join(claim, claim.c.series_instance_uid == series.c.series_instance_uid)
        .join(study, study.c.study_instance_uid == series.c.study_instance_uid)
        .where(mine, claim.c.open, study.c.suppressed_at.is_(None))
        .distinct()
    )
    return set(rows.scalars())


def _latest_acts(connection: Connection, mine: ColumnElement[bool], since: datetime) -> dict[str, list[datetime]]:
    """Return the times since when a claim was completed or an instance was put beside another, by study."""
    found: dict[str, list[datetime]] = defaultdict(list)
    completed = (
        select(series.c.study_instance_uid, claim.c.completed_at.label("at"))
        .join(claim, claim.c.series_instance_uid == series.c.series_instance_uid)
        .where(mine, claim.c.completed_at > since)
    )
    beside = (
        select(series.c.study_instance_uid, conflict.c.received_at.label("at"))
        .join(instance, instance.c.series_instance_uid == series.c.series_instance_uid)
        .join(conflict, _IS_BESIDE)
        .where(mine, conflict.c.received_at > since)
    )
    for query in (completed, beside):
        for row in connection.execute(query):
            found[row.study_instance_uid].append(utc(row.at))
    return found
