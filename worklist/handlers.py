"""What each event changes on the list. Handlers commute: the highest version of a fact counts, whenever it comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from voorrang.consuming import Handler
from voorrang.database import Connection
from voorrang.events.envelope import Event
from voorrang.runtime import Runtime
from worklist import answer_store, study_store
from worklist.orders.handlers import order_handlers
from worklist.ranking import Ranking, begin_latency, observe_latency
from worklist.reading.ending import follow_studies


def handlers(runtime: Runtime, ranking: Ranking) -> Mapping[str, Handler]:
    """Return the handlers by event type."""
    begin_latency(runtime.pathways)

    def on_study_updated(event: Event[Any]) -> None:
        """Write what a study holds, and rank its item."""

        def put(connection: Connection) -> None:
            """Write the study."""
            before = study_store.item_key_of(connection, event.data.study_instance_uid)
            keys = study_store.put_study(connection, event)
            follow_studies(runtime, connection, before or keys[0], keys[0])
            for item_key in keys:
                ranking.rank(connection, item_key)

        runtime.once(event, put)

    def on_findings_scored(event: Event[Any]) -> None:
        """Write an answer, and rank the item of its study."""

        def put(connection: Connection) -> None:
            """Write the answer."""
            answer_store.put_answer(connection, event.data)

        # A pathway that is not ours makes no label: the name comes from the network.
        pathway = runtime.pathways.get(event.data.pathway)
        # A run that somebody commanded counts from the command, not from slices that came hours or days before.
        is_first = event.data.run == 1
        if _put_and_rank(runtime, ranking, event, put) and pathway is not None and is_first:
            observe_latency(pathway, event.data.last_received_at, runtime.clock.now())

    def on_series_confirmed(event: Event[Any]) -> None:
        """Write a confirmation, and rank the item of its study."""

        def put(connection: Connection) -> None:
            """Write the confirmation."""
            answer_store.put_confirmation(connection, event.data)

        _put_and_rank(runtime, ranking, event, put)

    def on_register_changed(event: Event[Any]) -> None:
        """Look at the register at once."""
        # Only a hint to look now: the tables of the register are the truth, so a forged event raises nothing.
        ranking.step()
        runtime.once(event, lambda _: None)

    return {
        "study-updated": on_study_updated,
        "findings-scored": on_findings_scored,
        "series-confirmed": on_series_confirmed,
        "model-activated": on_register_changed,
        "model-suspended": on_register_changed,
        **order_handlers(runtime, ranking),
    }


def _put_and_rank(runtime: Runtime, ranking: Ranking, event: Event[Any], put: Callable[[Connection], None]) -> bool:
    """Write a fact and rank its item; False when it was handled before or its study is not known yet."""
    ranked = False

    def act(connection: Connection) -> None:
        nonlocal ranked
        put(connection)
        item_key = study_store.item_key_of(connection, event.data.study_instance_uid)
        if item_key is not None:
            ranking.rank(connection, item_key)
            ranked = True

    runtime.once(event, act)
    return ranked
