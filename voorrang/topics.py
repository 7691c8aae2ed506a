"""
Topics: who writes each, who must answer each, and how long it is kept.

An event is answered when every consumer named here has a receipt for it; the reconciler goes by this table.
"""

from __future__ import annotations

from dataclasses import dataclass

from voorrang.events.records import Record

DAY_MS = 86_400_000
DEAD_LETTER_SUFFIX = "-dlq"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the bus."""

    name: str
    event_type: str
    producer: str
    consumers: tuple[str, ...]
    partitions: int = 3
    retention_ms: int = 7 * DAY_MS

    @property
    def dead_letters(self) -> str:
        """Where messages go that no handler can take."""
        return self.name + DEAD_LETTER_SUFFIX


# One worker reads a partition: with 3 of them two workers would share the work 2 to 1.
SERIES_COMPLETED_URGENT = Topic("series-completed-urgent", "series-completed", "ingest", ("inference",), partitions=12)
SERIES_COMPLETED_ROUTINE = Topic(
    "series-completed-routine", "series-completed", "ingest", ("inference",), partitions=12
)
STUDY_UPDATED = Topic("study-updated", "study-updated", "ingest", ("worklist", "monitoring"))
SERIES_CONFIRMED = Topic("series-confirmed", "series-confirmed", "ingest", ("worklist",))
SERIES_REJECTED = Topic("series-rejected", "series-rejected", "ingest", ("inference", "worklist", "monitoring"))
FINDINGS_SCORED = Topic("findings-scored", "findings-scored", "inference", ("ingest", "worklist", "monitoring"))
WORKLIST_ITEM_RANKED = Topic("worklist-item-ranked", "worklist-item-ranked", "worklist", ("monitoring",))
MODEL_ACTIVATED = Topic("model-activated", "model-activated", "register", ("worklist",), partitions=1)
MODEL_SUSPENDED = Topic("model-suspended", "model-suspended", "register", ("worklist",), partitions=1)
SERIES_DELETED = Topic("series-deleted", "series-deleted", "ingest", ("monitoring",))
OPERATOR_ACTION = Topic("operator-action", "operator-action", "ingest", ("monitoring",))
ORDER_PLACED = Topic("order-placed", "order-placed", "ingest", ("worklist", "monitoring"))
ORDER_CHANGED = Topic("order-changed", "order-changed", "ingest", ("worklist", "monitoring"))
ORDER_CANCELLED = Topic("order-cancelled", "order-cancelled", "ingest", ("worklist", "monitoring"))
REPORT_PRELIMINARY = Topic("report-preliminary", "report-preliminary", "ingest", ("worklist", "monitoring"))
REPORT_FINALIZED = Topic("report-finalized", "report-finalized", "ingest", ("worklist", "monitoring"))
REPORT_CORRECTED = Topic("report-corrected", "report-corrected", "ingest", ("worklist", "monitoring"))
PATIENT_MERGED = Topic("patient-merged", "patient-merged", "ingest", ("worklist", "monitoring"))
PATIENT_CHANGED = Topic("patient-changed", "patient-changed", "ingest", ("worklist", "monitoring"))
READING_OPENED = Topic("reading-opened", "reading-opened", "worklist", ("monitoring",))
READING_CLOSED = Topic("reading-closed", "reading-closed", "worklist", ("monitoring",))
FINDING_JUDGED = Topic("finding-judged", "finding-judged", "worklist", ("monitoring",))
FINDING_ESCALATED = Topic("finding-escalated", "finding-escalated", "worklist", ("monitoring",))
FINDING_ACKNOWLEDGED = Topic("finding-acknowledged", "finding-acknowledged", "worklist", ("monitoring",))

TOPICS: tuple[Topic, ...] = (
    SERIES_COMPLETED_URGENT,
    SERIES_COMPLETED_ROUTINE,
    STUDY_UPDATED,
    SERIES_CONFIRMED,
    SERIES_REJECTED,
    FINDINGS_SCORED,
    WORKLIST_ITEM_RANKED,
    MODEL_ACTIVATED,
    MODEL_SUSPENDED,
    SERIES_DELETED,
    OPERATOR_ACTION,
    ORDER_PLACED,
    ORDER_CHANGED,
    ORDER_CANCELLED,
    REPORT_PRELIMINARY,
    REPORT_FINALIZED,
    REPORT_CORRECTED,
    PATIENT_MERGED,
    PATIENT_CHANGED,
    READING_OPENED,
    READING_CLOSED,
    FINDING_JUDGED,
    FINDING_ESCALATED,
    FINDING_ACKNOWLEDGED,
)
BY_NAME = {topic.name: topic for topic in TOPICS}


def topic_of(record: Record, lane: str | None = None) -> Topic:
    """Return the topic that a record goes to; `series-completed` has one for each lane."""
    if record.event_type == "series-completed":
        return BY_NAME[f"series-completed-{lane}"]
    return BY_NAME[record.event_type]


def consumed_by(consumer: str) -> tuple[Topic, ...]:
    """Return the topics that a consumer must answer: what stops work first, then the urgent lane."""
    mine = [topic for topic in TOPICS if consumer in topic.consumers]
    return tuple(sorted(mine, key=lambda topic: (topic != SERIES_REJECTED, not topic.name.endswith("-urgent"))))
