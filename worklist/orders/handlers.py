"""What events about orders, reports, patients and rejected images change on the list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from voorrang.consuming import Handler
from voorrang.database import Connection
from voorrang.errors import InvalidMessageError
from voorrang.events.envelope import Event
from voorrang.runtime import Runtime
from worklist.facts_store import item_facts
from worklist.item_store import touch_items
from worklist.orders import store
from worklist.orders.facts import ReportStatus
from worklist.ranking import Ranking
from worklist.reading.ending import follow_studies
from worklist.reading.voiding import void_judgements
from worklist.study_store import item_key_of

Put = Callable[[Connection, Event[Any]], set[str]]


def order_handlers(runtime: Runtime, ranking: Ranking) -> Mapping[str, Handler]:
    """Return the handlers by event type."""
    puts: Mapping[str, Put] = {
        "order-placed": partial(_put_order, runtime, is_cancelled=False),
        "order-changed": partial(_put_order, runtime, is_cancelled=False),
        "order-cancelled": partial(_put_order, runtime, is_cancelled=True),
        "report-preliminary": partial(store.put_report, status=ReportStatus.PRELIMINARY),
        "report-finalized": partial(store.put_report, status=ReportStatus.FINAL),
        "report-corrected": partial(store.put_report, status=ReportStatus.CORRECTED),
        "patient-merged": lambda connection, event: store.put_merge(connection, event.data),
        "patient-changed": _show_patient_anew,
        "series-rejected": partial(_put_rejection, runtime),
    }
    return {kind: partial(_put_and_rank, runtime, ranking, put) for kind, put in puts.items()}


def _put_and_rank(runtime: Runtime, ranking: Ranking, put: Put, event: Event[Any]) -> None:
    """Write a fact, once, and rank the items that it touches."""

    def act(connection: Connection) -> None:
        for item_key in sorted(put(connection, event)):
            ranking.rank(connection, item_key)

    runtime.once(event, act)


def _put_order(runtime: Runtime, connection: Connection, event: Event[Any], *, is_cancelled: bool) -> set[str]:
    if not event.order_key:
        raise InvalidMessageError("no_order_key", event.type)
    touched, moves = store.put_order(connection, event, is_cancelled=is_cancelled)
    for before, after in moves:
        follow_studies(runtime, connection, before, after)
    return touched


def _put_rejection(runtime: Runtime, connection: Connection, event: Event[Any]) -> set[str]:
    store.put_rejection(connection, event.data)
    item_key = item_key_of(connection, event.data.study_instance_uid)
    if item_key is None:
        return set()
    claims = [claim for study in item_facts(connection, item_key).studies for claim in study.claims]
    read_for = {one.pathway for one in claims if one.series_instance_uid == event.data.series_instance_uid}
    void_judgements(runtime, connection, item_key, read_for, event.data)
    return {item_key}


def _show_patient_anew(connection: Connection, event: Event[Any]) -> set[str]:
    """Let pages ask again for the items of a patient: who that is stands in the identity store, not here."""
    touch_items(connection, store.items_of_patient(connection, event.patient_key))
    return set()
