"""What inference tells of a study: which model answered what. It imports no model and nothing that a model needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from inference.tables import pathway_result
from voorrang import register
from voorrang.clock import utc
from voorrang.timeline import Moment


def timeline(connection: Connection, series_instance_uids: Sequence[str]) -> list[Moment]:
    """Return the answers about the series of a study; inference itself knows results by their series."""
    rows = connection.execute(
        select(pathway_result)
        .where(pathway_result.c.series_instance_uid.in_(list(series_instance_uids)))
        .order_by(pathway_result.c.scored_at, pathway_result.c.model_id, pathway_result.c.pathway)
    )
    measured = {
        (known.model_id, known.version, known.weights_digest)
        for known in register.registered(connection)
        if known.shows.has_measures
    }
    return [
        Moment(utc(row.scored_at), "scored", _words(row, (row.model_id, row.version, row.weights_digest) in measured))
        for row in rows
    ]


def _words(row: Row[Any], shows_score: bool) -> str:
    run = f", run {row.run}" if row.run > 1 else ""
    series = f"{row.pathway} series {row.series_instance_uid}".lstrip()
    of = f"{row.model_id} {row.version}: {series}, revision {row.series_revision}{run}"
    score = row.outcome.get("score")
    reasons = "; ".join(reason["text"] for reason in row.outcome.get("reasons", ()))
    said = f"score {score:.2f}" if score is not None and shows_score else row.state.replace("_", " ")
    return f"{of}, {said}" + (f": {reasons}" if reasons else "")
