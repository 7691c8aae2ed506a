"""Hears the answers of the models: a claim that every model of its pathway has answered waits no longer."""

from __future__ import annotations

from typing import Any

from ingest import operating_store, store
from voorrang.database import Connection
from voorrang.events.envelope import Event
from voorrang.events.records import FindingsScored
from voorrang.runtime import Runtime


def on_findings_scored(runtime: Runtime, event: Event[Any]) -> None:
    """Write an answer down; a repeated or late one changes nothing."""
    record: FindingsScored = event.data

    def act(connection: Connection) -> None:
        """Write the answer in the transaction of the receipt; one of a run before the commanded one is none."""
        fact = (record.series_instance_uid, record.pathway, record.series_revision)
        if operating_store.is_superseded(connection, *fact, record.run):
            return
        answered = store.record_answer(connection, *fact, record.model.model_id)
        pathway = runtime.pathways.get(record.pathway)
        if pathway is None or answered >= {use.name for use in pathway.models}:
            store.close_answered(connection, *fact)

    runtime.once(event, act)
