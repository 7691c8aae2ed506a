"""Keeps the archive within its limits: a bounded pass every now and then, or one full pass that a person asks for."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from ingest import retention_store
from ingest.deleting import BY_ITSELF, Deletion, delete_series, limits_of
from ingest.desk import Desk
from ingest.removing import finish_removals
from ingest.retention import Candidate, KeepReason, Plan, plan
from ingest.retention_store import Size
from voorrang.errors import RetryableError
from voorrang.logs import get_logger
from voorrang.metrics import ARCHIVE_DELETABLE_BYTES, DISK_FREE_BYTES, DISK_LOW_BYTES
from voorrang.register import Actor

RETAIN_EVERY_SECONDS = 60.0
SURVEY_EVERY = timedelta(minutes=10)  # looking at every series costs seconds of CPU where there are 100,000
SERIES_A_STEP = 50
SIZES_A_STEP = 100
_ALL = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Preview:
    """What a full pass would delete now, how many more series it would if the disk were low, and how many stay why."""

    deletions: tuple[Deletion, ...]
    spare: int
    kept: Mapping[KeepReason, int]


@dataclass(slots=True)
class _Room:
    """The free room while series go."""

    low_bytes: int
    free_bytes: int

    @property
    def is_low(self) -> bool:
        return self.free_bytes < self.low_bytes

    def gain(self, size_bytes: int, measured_bytes: int = 0) -> None:
        """Count what was freed at once: some file systems give room back late, and far too much would go."""
        self.free_bytes = max(self.free_bytes + size_bytes, measured_bytes)


def free_bytes_of(desk: Desk) -> int:
    """Return the free room on the disk of the archive, as its reserve counts it."""
    disk = os.statvfs(desk.settings.archive_dir)
    return disk.f_bavail * disk.f_frsize


def retention_of(desk: Desk) -> RetentionWorker:
    """Return retention on the disk that is there."""
    return RetentionWorker(desk, partial(free_bytes_of, desk))


@dataclass(slots=True)
class RetentionWorker:
    """
    Deletes what may go: first what is older than its limit; then, while the disk is low, what is answered.

    Parameters
    ----------
    desk
        What it works with.
    free_bytes
        Measures the free room.
    series_a_step, sizes_a_step
        How many series one step deletes at most, and of how many more it counts the bytes.
    """

    desk: Desk
    free_bytes: Callable[[], int]
    series_a_step: int = SERIES_A_STEP
    sizes_a_step: int = SIZES_A_STEP
    _sizes: dict[str, Size] = field(init=False, default_factory=dict)
    _left: list[Candidate] = field(init=False, default_factory=list)
    _surveyed_at: datetime | None = field(init=False, default=None)

    def step(self) -> None:
        """Finish what was begun, delete a bounded number of series, and set the gauges."""
        if self._has_nothing_to_do():
            self._show_room()
            self._finish_removals()
            self._count_deletable()
        else:
            self._pass(BY_ITSELF, self.series_a_step)

    def full_pass(self, by: Actor) -> list[Deletion]:
        """Delete everything that may go now, in a person's name."""
        return self._pass(by, _ALL)

    def preview(self) -> Preview:
        """Return what a full pass would delete now; changes nothing."""
        found = self._plan()
        room = self._room()
        deletions = []
        for candidate in _chosen(found, room):
            uid = candidate.series.series_instance_uid
            with self.desk.database.read() as connection:
                size = retention_store.sizes(connection, [uid]).get(uid, Size(0, 0))
            room.gain(size.size_bytes)
            deletions.append(Deletion(candidate, size))
        spare = len(found.due) + len(found.spare) - len(deletions)
        return Preview(tuple(deletions), spare, found.kept)

    def _pass(self, by: Actor, limit: int) -> list[Deletion]:
        self._show_room()
        self._finish_removals()
        found = self._plan()
        room = self._room()
        deletions: list[Deletion] = []
        gone = set()
        for candidate in islice(_chosen(found, room), limit):
            gone.add(candidate.series.series_instance_uid)
            deletion = delete_series(self.desk, candidate, by)
            if deletion is not None:
                room.gain(deletion.size.size_bytes, self.free_bytes())
                deletions.append(deletion)
        if deletions:
            reasons = Counter(deletion.candidate.why.value for deletion in deletions)
            size = sum(deletion.size.size_bytes for deletion in deletions)
            get_logger().info("retention deleted series", count=len(deletions), size_bytes=size, reasons=dict(reasons))
        self._left = [c for c in (*found.due, *found.spare) if c.series.series_instance_uid not in gone]
        self._surveyed_at = None if len(gone) >= limit else self.desk.clock.now()
        self._count_deletable()
        self._show_room()
        return deletions

    def _has_nothing_to_do(self) -> bool:
        """Tell whether every series was looked at lately, nothing that was found is left, and the disk is not low."""
        if self._surveyed_at is None or self._room().is_low:
            return False
        return timedelta(0) <= self.desk.clock.now() - self._surveyed_at < SURVEY_EVERY

    def _show_room(self) -> None:
        DISK_FREE_BYTES.set(self.free_bytes())
        DISK_LOW_BYTES.set(self.desk.settings.low_bytes)

    def _finish_removals(self) -> None:
        try:
            finish_removals(self.desk)
        except RetryableError:
            ARCHIVE_DELETABLE_BYTES.set(0)  # as long as that is so, nothing can go
            raise

    def _plan(self) -> Plan:
        now = self.desk.clock.now()
        with self.desk.database.read() as connection:
            every = retention_store.facts(connection, now)
        return plan(every, limits_of(self.desk), now)

    def _room(self) -> _Room:
        return _Room(self.desk.settings.low_bytes, self.free_bytes())

    def _count_deletable(self) -> None:
        """Show what could go, as far as it is counted: a bounded number of series more each time, the oldest first."""
        uids = [candidate.series.series_instance_uid for candidate in self._left]
        self._sizes = {uid: self._sizes[uid] for uid in uids if uid in self._sizes}
        unknown = [uid for uid in uids if uid not in self._sizes][: self.sizes_a_step]
        with self.desk.database.read() as connection:
            self._sizes |= retention_store.sizes(connection, unknown)
        ARCHIVE_DELETABLE_BYTES.set(sum(size.size_bytes for size in self._sizes.values()))


def _chosen(found: Plan, room: _Room) -> Iterator[Candidate]:
    """Give what goes, one by one: whether the disk is still low is asked anew before each."""
    yield from found.due
    for candidate in found.spare:
        if not room.is_low:
            return
        yield candidate
