"""Everything accepted is accounted for: processed, refused with a reason, or waiting."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ingest import intake_store, retention_store, store
from ingest.intake import IntakeWorker
from ingest.ledger import count_unread
from ingest.tally import Count, read_tallies
from voorrang.database import Connection
from voorrang.metrics import (
    ASSOCIATIONS_OPEN,
    OLDEST_WAITING_SECONDS,
    UNACCOUNTED_INSTANCES,
    WAITING_INSTANCES,
)
from voorrang.runtime import Runtime


@dataclass(frozen=True, slots=True)
class _Counts:
    """Counts of the same instances: answered Success, in the ledger, taken in from there, with a row (or once so)."""

    answered: int
    written_down: int
    taken_in: int
    rows: int


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
    _began_with: _Counts | None = None
    _listener: int = -1

    def step(self) -> None:
        """Count once and set the gauges."""
        now = self.runtime.clock.now()
        with self.runtime.database.read() as connection:
            counts = self._counts(connection)
            waiting = store.count_waiting(connection) + counts.written_down - counts.taken_in
            ages = {
                lane: store.oldest_unanswered(
                    connection, [p.name for p in self.runtime.pathways.values() if p.lane == lane]
                )
                for lane in ("urgent", "routine")
            }
        UNACCOUNTED_INSTANCES.set(self._unaccounted(counts))
        WAITING_INSTANCES.set(waiting)
        ASSOCIATIONS_OPEN.set(self._tally(Count.ASSOCIATIONS_OPEN))
        for lane, oldest in ages.items():
            OLDEST_WAITING_SECONDS.labels(lane).set((now - oldest).total_seconds() if oldest else 0.0)

    def begin_anew(self) -> None:
        """Forget what was counted: rows came that nobody was answered for."""
        self._began_with = None

    def _unaccounted(self, counts: _Counts) -> int:
        listener = self._tally(Count.STARTED)
        if self._began_with is None or listener != self._listener:
            self._began_with, self._listener = counts, listener
        first = self._began_with
        not_written = (counts.answered - first.answered) - (counts.written_down - first.written_down)
        without_row = (counts.taken_in - first.taken_in) - (counts.rows - first.rows)
        return max(0, not_written) + max(0, without_row)

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
