"""Everything accepted is accounted for: processed, refused with a reason, or waiting."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest import store
from ingest.intake import IntakeWorker
from voorrang.metrics import (
    INSTANCES_RECEIVED,
    OLDEST_WAITING_SECONDS,
    UNACCOUNTED_INSTANCES,
    WAITING_INSTANCES,
)
from voorrang.runtime import Runtime


@dataclass(slots=True)
class Accountant:
    """
    Compares what was answered Success to with what has a row.

    Parameters
    ----------
    runtime
        The service.
    intake
        Knows what has no row yet.
    rows_at_start
        Rows when this is made, after recovery: from there on every Success must become one.
    """

    runtime: Runtime
    intake: IntakeWorker
    rows_at_start: int
    _accepted_before: int = field(default_factory=lambda: accepted_instances())

    def step(self) -> None:
        """Count once and set the gauges."""
        now = self.runtime.clock.now()
        accepted = accepted_instances() - self._accepted_before
        pending = self.intake.pending()
        with self.runtime.database.read() as connection:
            rows = store.count_instances(connection)
            waiting = store.count_waiting(connection)
            ages = {
                lane: store.oldest_unanswered(
                    connection, [p.name for p in self.runtime.pathways.values() if p.lane == lane]
                )
                for lane in ("urgent", "routine")
            }
        UNACCOUNTED_INSTANCES.set(max(0, self.rows_at_start + accepted - pending - rows))
        WAITING_INSTANCES.set(waiting + pending)
        for lane, oldest in ages.items():
            OLDEST_WAITING_SECONDS.labels(lane).set((now - oldest).total_seconds() if oldest else 0.0)


def accepted_instances() -> int:
    """Return how many instances this process has answered Success that are new bytes."""
    total = 0.0
    for metric in INSTANCES_RECEIVED.collect():
        for sample in metric.samples:
            if sample.name.endswith("_total") and sample.labels["outcome"] in ("new", "conflict"):
                total += sample.value
    return int(total)
