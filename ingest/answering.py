"""Hears the answers of the models: a claim that every model of its pathway has answered waits no longer."""

from __future__ import annotations

from typing import Any

from ingest import store
from voorrang.database import Connection
from voorrang.events.envelope import Event
from voorrang.events.records import FindingsScored
from voorrang.runtime import Runtime


def on_findings_scored(runtime: Runtime, event: Event[Any]) -> None:
    """Write an answer down; a repeated or late one changes nothing."""
    record: FindingsScored = event.data

    def act(connection: Connection) -> None:
        """Write the answer within the transaction of the receipt."""
        answered = store.record_answer(
            connection,
            record.series_instance_uid,
            record.pathway,
            record.series_revision,
            record.model.model_id,
        )
        pathway = runtime.pathways.get(record.pathway)
        if pathway is None or answered >= {use.name for use in pathway.models}:
            store.close_answered(connection, record.series_instance_uid, record.pathway, record.series_revision)

    runtime.once(event, act)
