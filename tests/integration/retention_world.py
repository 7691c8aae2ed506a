"""Retention with real rows and real files, an archive that can be killed at, and a disk of any size."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY
from sqlalchemy import func, insert, select, update

from ingest import retention_store, store
from ingest.desk import Desk
from ingest.retaining import RetentionWorker
from ingest.retention import DAY
from ingest.tables import claim, instance, series, study
from tests.builders import KEYS, SITE
from voorrang.archive import Archive
from voorrang.archive.instance_files import InstanceFiles
from voorrang.clock import ManualClock
from voorrang.database import Database
from voorrang.dicom.manifest import instances_digest
from voorrang.events.envelope import Event, decode
from voorrang.pathways.loading import load_pathways
from voorrang.settings import Settings
from voorrang.tables import outbox

ROOT_UID = "1.2.826.0.1.3680043.8.498.44"
MB = 1_000_000
BYTES = b"\0" * 1000


class Killed(BaseException):
    """The process ends here: nothing that handles errors may see it."""


class FragileArchive(Archive):
    """An archive in which a process can be killed at a removal, or which lets nothing be removed."""

    kill_at: int | None = None
    kill_at_move: int | None = None
    is_read_only = False
    removed = moved = 0

    def remove(self, locator: str) -> int:
        """Remove, unless told otherwise."""
        if self.is_read_only:
            raise PermissionError(1, "Operation not permitted")
        if self.removed == self.kill_at:
            raise Killed
        self.removed += 1
        return super().remove(locator)

    def move(self, locator: str, to: Path) -> None:
        """Set apart, unless told otherwise."""
        if self.is_read_only:
            raise PermissionError(1, "Operation not permitted")
        if self.moved == self.kill_at_move:
            raise Killed
        self.moved += 1
        super().move(locator, to)


@dataclass(slots=True)
class World:
    """Retention, its tables, its archive and its disk."""

    desk: Desk
    archive: FragileArchive
    clock: ManualClock
    free_bytes: int = 10**12

    def worker(self, **bounds: int) -> RetentionWorker:
        """Start retention afresh, as a process does."""
        return RetentionWorker(self.desk, lambda: self.free_bytes, **bounds)

    def put(
        self,
        number: int,
        days: float,
        *,
        answered: bool | None = True,
        study_number: int | None = None,
        instances: int = 3,
        size_bytes: int = len(BYTES),
        **of_study: Any,
    ) -> str:
        """Put a series that came so many days ago; None for `answered` is a series that no pathway claims."""
        study_uid = f"{ROOT_UID}.{study_number if study_number is not None else number}"
        uid, at = f"{study_uid}.1.{number}", self.clock.now() - days * DAY
        files = InstanceFiles(self.archive)
        with self.desk.database.write() as connection:
            if connection.execute(select(study).where(study.c.study_instance_uid == study_uid)).first() is None:
                connection.execute(insert(study).values(study_row(study_uid, at) | of_study))
            connection.execute(insert(series).values(series_row(uid, study_uid, at)))
            for index in range(instances):
                stored = files.store(study_uid, uid, f"{uid}.{index}", memoryview(BYTES))
                row = instance_row(uid, f"{uid}.{index}", stored.locator, at) | {"size_bytes": size_bytes}
                connection.execute(insert(instance).values(row))
            if answered is not None:
                connection.execute(insert(claim).values(claim_row(uid, at, answered)))
        self.archive.store_manifest(study_uid, uid, b"{}")
        self.archive.store_manifest(study_uid, uid, b"{ }")
        return uid

    def send_again(self, uid: str, indexes: range) -> None:
        """Send instances of a series as a sender does, and take them in as intake does."""
        study_uid, now = uid.rsplit(".", 2)[0], self.clock.now()
        files = InstanceFiles(self.archive)
        with self.desk.database.write() as connection:
            for index in indexes:
                stored = files.store(study_uid, uid, f"{uid}.{index}", memoryview(BYTES))
                connection.execute(insert(instance).values(instance_row(uid, f"{uid}.{index}", stored.locator, now)))
            for table, key in ((study, study_uid), (series, uid)):
                where = next(iter(table.primary_key.columns)) == key
                connection.execute(update(table).where(where).values(last_received_at=now))
            mine = claim.c.series_instance_uid == uid
            connection.execute(update(claim).where(mine).values(open=True, began_at=now))

    def rows(self, query: Any) -> list[Any]:
        """Run a query."""
        with self.desk.database.read() as connection:
            return list(connection.execute(query))

    def count(self, table: Any) -> int:
        """Count rows."""
        return int(self.rows(select(func.count()).select_from(table))[0][0])

    def events(self) -> list[Event[Any]]:
        """Return the events, oldest first."""
        return [decode(row.payload) for row in self.rows(select(outbox.c.payload).order_by(outbox.c.id))]

    def deleted(self) -> list[tuple[str, str]]:
        """Return (series, why) of each `series-deleted`."""
        return [(event.data.series_instance_uid, event.data.why) for event in self.events()]

    def here(self) -> set[str]:
        """Return the series of which instances have rows."""
        return {row[0] for row in self.rows(select(instance.c.series_instance_uid).distinct())}

    def files(self) -> list[str]:
        """Return every file and folder beneath the archive's studies."""
        return sorted(str(path) for path in (self.archive.root / "studies").rglob("*"))

    def accounted(self) -> int:
        """Return rows and deleted instances together."""
        with self.desk.database.read() as connection:
            return store.count_instances(connection) + retention_store.deleted_instances(connection)


def study_row(uid: str, at: datetime) -> dict[str, Any]:
    names = ("study_instance_uid", "study_version", "purpose", "patient_key", "order_key", "prior")
    times = {"first_received_at": at, "last_received_at": at}
    return dict(zip(names, (uid, 1, "clinical", "p_" + "1" * 40, "", False), strict=True)) | times


def series_row(uid: str, study_uid: str, at: datetime) -> dict[str, Any]:
    return {
        "series_instance_uid": uid,
        "study_instance_uid": study_uid,
        "modality": "CT",
        "first_received_at": at,
        "last_received_at": at,
        "revision": 1,
        "instances_digest": instances_digest(f"{uid}.{index}" for index in range(3)),
    }


def instance_row(series_uid: str, uid: str, locator: str, at: datetime) -> dict[str, Any]:
    return {
        "sop_instance_uid": uid,
        "series_instance_uid": series_uid,
        "locator": locator,
        "size_bytes": len(BYTES),
        "received_at": at,
        "header": {},
    }


def claim_row(uid: str, at: datetime, answered: bool) -> dict[str, Any]:
    return {
        "series_instance_uid": uid,
        "pathway": "stroke",
        "open": False,
        "began_at": at,
        "completed_revision": 1,
        "confirmed_revision": 1,
        "answered_revision": int(answered),
        "completed_at": at,
    }


def make_world(database: Database, data_dir: Path, clock: ManualClock) -> World:
    """Make retention on an empty archive; its disk is low below 5000 MB."""
    settings = Settings(data_dir=data_dir, site=SITE, disk_reserve_bytes=2000 * MB)
    archive = FragileArchive(settings.archive_dir)
    archive.prepare()
    return World(Desk(database, archive, KEYS, clock, settings, load_pathways(None)), archive, clock)


def metric(name: str, **labels: str) -> float:
    """Return the value of a metric; 0 when it was never set."""
    return REGISTRY.get_sample_value(name, labels) or 0.0
