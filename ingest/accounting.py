"""Everything accepted is accounted for: processed, refused with a reason, or waiting."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from pathlib import Path

from ingest import intake_store, retention_store, store
from ingest.intake import IntakeWorker
from ingest.ledger import count_unread
from ingest.tally import Count, read_tallies
from voorrang.database import Connection
from voorrang.events.records import Lane
from voorrang.metrics import (
    ASSOCIATIONS_OPEN,
    GAVE_WAY_SECONDS,
    OLDEST_WAITING_SECONDS,
    UNACCOUNTED_INSTANCES,
    WAITING_INSTANCES,
)
from voorrang.runtime import Runtime

LANES: tuple[Lane, ...] = ("urgent", "routine")


@dataclass(frozen=True, slots=True)
class _Counts:
    """Counts of the same instances: answered Success, in the ledger, taken in from there, with a row (or once so)."""

    answered: int
    written_down: int
    taken_in: int
    rows: int


@dataclass(slots=True)
class _Missing:
    """
    What is missing since counting began: how far a difference lies above the smallest that it has had.

    Rows come that were never counted: of what a crash took, or of what was refused when it lay on disk already. They
    make the difference of entries and rows smaller for good, and must not make up for an instance that is lost later.

    Two looks are held against each other, since the counts of one are not of one moment: an entry is in the ledger
    before it is counted as answered, and rows are there before the batch counts that is taken in one by one.
    """

    _not_written: float = inf
    _without_row: float = inf
    _before: _Counts | None = None

    def see(self, now: _Counts) -> int:
        if self._before is not None:
            answered_later = now.answered - self._before.written_down
            without_row = max(now.taken_in - now.rows, self._before.taken_in - self._before.rows)
            self._not_written = min(self._not_written, answered_later)
            self._without_row = min(self._without_row, without_row)
        self._before = now
        not_written = now.answered - now.written_down - self._not_written
        return int(max(0, not_written) + max(0, now.taken_in - now.rows - self._without_row))


@dataclass(slots=True)
class Accountant:
    """
    Holds what the listener answered Success to against the ledger, and the ledger against the rows.

    It begins anew when the listener does: what that recovers was answered to nobody.

    Parameters
    ----------
    runtime
        The service.
    intake
        Knows what has no row yet.
    archive_dir
        Where the listener keeps its tallies.
    """

    runtime: Runtime
    intake: IntakeWorker
    archive_dir: Path
    _missing: _Missing = field(default_factory=_Missing)
    _listener: int = -1
    _gave_way_ms: int = field(init=False)

    def __post_init__(self) -> None:
        """Begin with what the listener has counted before us."""
        self._gave_way_ms = self._tally(Count.GAVE_WAY_MS)

    def step(self) -> None:
        """Count once and set the gauges."""
        now = self.runtime.clock.now()
        with self.runtime.database.read() as connection:
            counts = self._counts(connection)
            waiting = store.count_waiting(connection) + counts.written_down - counts.taken_in
            ages = {lane: self._oldest(connection, lane) for lane in LANES}
        UNACCOUNTED_INSTANCES.set(self._unaccounted(counts))
        WAITING_INSTANCES.set(waiting)
        ASSOCIATIONS_OPEN.set(self._tally(Count.ASSOCIATIONS_OPEN))
        self._count_giving_way()
        for lane, oldest in ages.items():
            OLDEST_WAITING_SECONDS.labels(lane).set((now - oldest).total_seconds() if oldest else 0.0)

    def begin_anew(self) -> None:
        """Forget what was counted: rows came that nobody was answered for."""
        self._missing = _Missing()

    def _count_giving_way(self) -> None:
        """Count what came since the last look; a tally that somebody removed begins at 0 again."""
        before, self._gave_way_ms = self._gave_way_ms, self._tally(Count.GAVE_WAY_MS)
        GAVE_WAY_SECONDS.inc(max(0, self._gave_way_ms - before) / 1e3)

    def _oldest(self, connection: Connection, lane: Lane) -> datetime | None:
        """Return since when the oldest series of a lane waits: of its pathways, unless its sender has a lane."""
        pathways = self.runtime.pathways.values()
        agreed = {name: rule.lane for name, rule in self.runtime.settings.senders.items() if rule.lane}
        of_pathways = store.oldest_unanswered(
            connection, [p.name for p in pathways if p.lane == lane], but=list(agreed)
        )
        theirs = [name for name, its in agreed.items() if its == lane]
        of_senders = store.oldest_unanswered(connection, [p.name for p in pathways], only=theirs)
        return min(filter(None, (of_pathways, of_senders)), default=None)

    def _unaccounted(self, counts: _Counts) -> int:
        listener = self._tally(Count.STARTED)
        if listener != self._listener:
            self.begin_anew()
            self._listener = listener
        return self._missing.see(counts)

    def _tally(self, count: Count) -> int:
        return read_tallies(self.archive_dir, count)

    def _counts(self, connection: Connection) -> _Counts:
        answered = self._tally(Count.NEW) + self._tally(Count.CONFLICT)
        taken_in = unread = 0
        for ledger in self.intake.ledgers():
            position, count = intake_store.read_position(connection, ledger.name)
            taken_in += count
            unread += count_unread(ledger, position)
        written_down = taken_in + unread
        rows = store.count_instances(connection) + retention_store.deleted_instances(connection)
        return _Counts(answered, written_down, taken_in, rows)
