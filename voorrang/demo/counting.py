"""What the demo reports, taken from rows, files and events: a recount, not what the services say of themselves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from ingest.operating_store import COMPLETED_TOPICS
from ingest.tables import conflict, instance, series
from voorrang.archive import Archive
from voorrang.database import Database
from voorrang.events.envelope import Event, decode
from voorrang.settings import Settings
from voorrang.tables import outbox


def accounted_instances(settings: Settings, study_instance_uids: Collection[str]) -> int:
    """Return how many instances of these studies have a row and a readable file, conflicts too."""
    archive = Archive(settings.archive_dir)
    database = Database(settings.url())
    with database.read() as connection:
        mine = (
            select(instance.c.sop_instance_uid, instance.c.locator)
            .join(series, series.c.series_instance_uid == instance.c.series_instance_uid)
            .where(series.c.study_instance_uid.in_(list(study_instance_uids)))
            .subquery()
        )
        beside = select(conflict.c.locator).where(conflict.c.sop_instance_uid.in_(select(mine.c.sop_instance_uid)))
        locators = [
            *connection.execute(select(mine.c.locator)).scalars(),
            *connection.execute(beside).scalars(),
        ]
    database.close()
    return sum(_is_there(archive, locator) for locator in locators)


@dataclass(frozen=True, slots=True)
class Timing:
    """When the last slice was received, its series announced as complete, and a place followed from the answer."""

    last_slice_at: datetime
    completed_at: datetime
    ranked_at: datetime

    @property
    def seconds_to_completed(self) -> float:
        """Seconds from the last slice until the models were told to start."""
        return (self.completed_at - self.last_slice_at).total_seconds()

    @property
    def seconds_to_ranked(self) -> float:
        """Seconds from the last slice until its place followed from the answer."""
        return (self.ranked_at - self.last_slice_at).total_seconds()


def timings(settings: Settings) -> dict[str, Timing]:
    """
    Return the timing of each study that was answered and ranked since.

    The first `worklist-item-ranked` after the study's last `findings-scored` counts, provisional or not.
    """
    database = Database(settings.url())
    with database.read() as connection:
        scored = {e.data.study_instance_uid: e.data for e in _events(connection, "findings-scored")}
        completed = {
            (e.data.series_instance_uid, e.data.series_revision, e.data.pathway): e.time
            for topic in COMPLETED_TOPICS
            for e in _events(connection, topic)
        }
        ranked = _events(connection, "worklist-item-ranked")
    database.close()
    found: dict[str, Timing] = {}
    for event in ranked:
        for uid in event.data.study_instance_uids:
            answer = scored.get(uid)
            if answer and uid not in found and event.data.ranked_at >= answer.scored_at:
                announced_at = completed[answer.series_instance_uid, answer.series_revision, answer.pathway]
                found[uid] = Timing(answer.last_received_at, announced_at, event.data.ranked_at)
    return found


def _events(connection: Connection, topic: str) -> list[Event[Any]]:
    rows = connection.execute(select(outbox.c.payload).where(outbox.c.topic == topic).order_by(outbox.c.id))
    return [decode(payload) for payload in rows.scalars()]


def _is_there(archive: Archive, locator: str) -> bool:
    try:
        return archive.path(locator).stat().st_size > 0
    except FileNotFoundError:
        return False
