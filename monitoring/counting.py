"""Counts answers and ranked items as they are announced: a second, independent reading of the stream."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from voorrang.consuming import Handler
from voorrang.database import Connection
from voorrang.events.envelope import Event
from voorrang.events.records import FindingsScored
from voorrang.metrics import (
    FINDINGS_SEEN,
    FLAGGED_SEEN,
    INSTANCES_DELETED_SEEN,
    ITEMS_RANKED_SEEN,
    OPERATOR_ACTIONS_SEEN,
    STUDIES_SEEN,
)
from voorrang.runtime import Runtime


def handlers(runtime: Runtime) -> Mapping[str, Handler]:
    """Return the handlers by event type."""
    acts = {
        "findings-scored": count_answer,
        "worklist-item-ranked": lambda event: ITEMS_RANKED_SEEN.labels(event.data.tier, event.data.state).inc(),
        "operator-action": lambda event: OPERATOR_ACTIONS_SEEN.labels(event.data.action).inc(),
        "series-deleted": lambda event: INSTANCES_DELETED_SEEN.inc(event.data.instance_count),
        "study-updated": lambda event: STUDIES_SEEN.inc(event.data.study_version == 1),
    }
    return {kind: partial(_once, runtime, act) for kind, act in acts.items()}


def count_answer(event: Event[Any]) -> None:
    """Count one answer of a model; models are ours or registered by us, so the label set is closed."""
    record: FindingsScored = event.data
    FINDINGS_SEEN.labels(record.model.model_id, record.state.value).inc()
    if record.flagged:
        FLAGGED_SEEN.labels(record.model.model_id).inc()


def _once(runtime: Runtime, act: Any, event: Event[Any]) -> None:
    def count(_: Connection) -> None:
        act(event)

    runtime.once(event, count)
