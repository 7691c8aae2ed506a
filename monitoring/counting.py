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
    ORDERS_SEEN,
    PATIENTS_SEEN,
    REPORTS_SEEN,
    SERIES_REJECTED_SEEN,
    STUDIES_SEEN,
)
from voorrang.runtime import Runtime

WEIGHTS_SHOWN = 12  # digits of a digest: enough to tell the weights of one model apart


def handlers(runtime: Runtime) -> Mapping[str, Handler]:
    """Return the handlers by event type."""
    acts = {
        "findings-scored": count_answer,
        "worklist-item-ranked": count_ranking,
        "operator-action": lambda event: OPERATOR_ACTIONS_SEEN.labels(event.data.action).inc(),
        "series-deleted": lambda event: INSTANCES_DELETED_SEEN.inc(event.data.instance_count),
        "study-updated": lambda event: STUDIES_SEEN.inc(event.data.study_version == 1),
        "series-rejected": lambda event: SERIES_REJECTED_SEEN.labels(event.data.reason).inc(),
        **{f"order-{word}": count_order for word in ("placed", "changed", "cancelled")},
        **{f"report-{word}": count_report for word in ("preliminary", "finalized", "corrected")},
        **{f"patient-{word}": count_patient for word in ("merged", "changed")},
    }
    return {kind: partial(_once, runtime, act) for kind, act in acts.items()}


def count_order(event: Event[Any]) -> None:
    """Count one word on an order, by what happened to it and how urgent it is."""
    ORDERS_SEEN.labels(event.type.removeprefix("order-"), event.data.urgency).inc()


def count_report(event: Event[Any]) -> None:
    """Count one version of a report, by its status."""
    REPORTS_SEEN.labels(event.type.removeprefix("report-")).inc()


def count_patient(event: Event[Any]) -> None:
    """Count a merge or a change of a patient."""
    PATIENTS_SEEN.labels(event.type.removeprefix("patient-")).inc()


def count_ranking(event: Event[Any]) -> None:
    """Count one ranking; of an item that left the list, under how it did."""
    state = event.data.state if event.data.standing == "open" else event.data.standing
    ITEMS_RANKED_SEEN.labels(event.data.tier, state).inc()


def count_answer(event: Event[Any]) -> None:
    """Count one answer of a model; versions are ours or registered by us, so the label set is closed."""
    record: FindingsScored = event.data
    model = record.model
    which = (model.model_id, model.version_label, model.weights_digest[:WEIGHTS_SHOWN], str(record.operating_point))
    FINDINGS_SEEN.labels(*which, record.state.value).inc()
    if record.flagged:
        FLAGGED_SEEN.labels(*which).inc()


def _once(runtime: Runtime, act: Any, event: Event[Any]) -> None:
    fresh: list[Event[Any]] = []

    def note(_: Connection) -> None:
        fresh.append(event)

    runtime.once(event, note)
    for each in fresh:  # after the transaction: one that has to be tried again was no event yet
        act(each)
