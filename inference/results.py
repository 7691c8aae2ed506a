"""Rows of inference: one result per identity of a finding."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from inference.tables import result
from voorrang.clock import utc
from voorrang.events.records import ModelIdentity, Reason, ScoredFinding, ScoringState
from voorrang.outbox import insert_once


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one result from another, whatever is retried."""

    series_instance_uid: str
    series_revision: int
    model: ModelIdentity
    run: int


@dataclass(frozen=True, slots=True)
class Result:
    """How the reading of one series revision by one model ended."""

    state: ScoringState
    score: float | None
    findings: tuple[ScoredFinding, ...]
    reasons: tuple[Reason, ...]
    scored_at: datetime


def find(connection: Connection, identity: Identity) -> Result | None:
    """Return the stored result of an identity; None when there is none yet."""
    row = connection.execute(
        select(result).where(*(result.c[name] == value for name, value in _key(identity).items()))
    ).one_or_none()
    if row is None:
        return None
    outcome = row.outcome
    return Result(
        ScoringState(row.state),
        outcome["score"],
        tuple(ScoredFinding.model_validate(finding) for finding in outcome["findings"]),
        tuple(Reason.model_validate(reason) for reason in outcome["reasons"]),
        utc(row.scored_at),
    )


def keep_first(connection: Connection, identity: Identity, found: Result) -> Result:
    """Store a result unless there is one already; return the one that counts."""
    outcome = {
        "score": found.score,
        "findings": [finding.model_dump(mode="json") for finding in found.findings],
        "reasons": [reason.model_dump(mode="json") for reason in found.reasons],
    }
    values = {"state": found.state.value, "outcome": outcome, "scored_at": found.scored_at}
    if insert_once(connection, result, _key(identity) | values):
        return found
    return find(connection, identity) or found


def _key(identity: Identity) -> dict[str, str | int]:
    return {
        "series_instance_uid": identity.series_instance_uid,
        "series_revision": identity.series_revision,
        "model_id": identity.model.model_id,
        "version": identity.model.version_label,
        "weights_digest": identity.model.weights_digest,
        "run": identity.run,
    }
