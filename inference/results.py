"""Rows of inference: one result per identity of a finding, and what each pathway was told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import zip_longest

from sqlalchemy import Connection, Table, select

from inference.costing import Prices
from inference.model import Opinion
from inference.reading import Outcome
from inference.tables import pathway_result, result
from voorrang.calibration import Calibration
from voorrang.clock import utc
from voorrang.events.records import ComputeUse, ModelIdentity, Reason, ScoredFinding, ScoringState
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
    computing: ComputeUse | None = None


def result_of(outcome: Outcome, prices: Prices, now: datetime, pictures: Sequence[str | None] = ()) -> Result:
    """
    Return what is stored of an outcome.

    Parameters
    ----------
    outcome
        Of one series at one model.
    prices
        Of computing.
    now
        When it was scored.
    pictures
        Locators of its key pictures, by finding.
    """
    reasons = [Reason(code=reason.code.value, text=reason.text) for reason in outcome.reasons]
    if outcome.failure is not None:
        reasons = [Reason(code=outcome.failure.value, text=outcome.sentence)]
    opinion, took = outcome.opinion, outcome.computing
    return Result(
        outcome.state,
        opinion.score if opinion else None,
        _scored_findings(opinion, pictures) if opinion else (),
        tuple(reasons),
        now,
        ComputeUse(seconds=took.seconds, device=took.device, precision=took.precision, cost=prices.cost(took))
        if took
        else None,
    )


def _scored_findings(opinion: Opinion, pictures: Sequence[str | None]) -> tuple[ScoredFinding, ...]:
    return tuple(
        ScoredFinding(
            type=f.type,
            score=f.score,
            position_mm=f.position_mm,
            diameter_mm=f.diameter_mm,
            box_mm=f.box_mm,
            picture=picture,
        )
        for f, picture in zip_longest(opinion.findings, pictures)
    )


def said(connection: Connection, identity: Identity) -> Result | None:
    """Return the score or the failure of a model, whichever pathway asked; None when there is none yet."""
    return _find(connection, result, _key(identity))


def find(connection: Connection, identity: Identity, pathway: str) -> Result | None:
    """Return what a pathway was told; None when nothing yet."""
    return _find(connection, pathway_result, _key(identity) | {"pathway": pathway})


def keep_first(
    connection: Connection, identity: Identity, pathway: str, found: Result, calibration: Calibration | None = None
) -> Result:
    """
    Store what a model said and what a pathway is told, each unless it is there already; return the latter.

    Parameters
    ----------
    connection
        A writing transaction.
    identity
        Of the result.
    pathway
        Whose gate has let the series pass where `found` is scored.
    found
        One that is out of scope is this pathway's alone.
    calibration
        Of the model on this pathway; None where none is active.
    """
    if found.state is not ScoringState.OUT_OF_SCOPE:
        first = _keep(connection, result, _key(identity), found)
        # What failed here may have failed before the gate: another pathway's score is not taken for it.
        if found.state is ScoringState.SCORED or first.state is ScoringState.FAILED:
            found = _calibrated(first, calibration)
    return _keep(connection, pathway_result, _key(identity) | {"pathway": pathway}, found)


def _calibrated(found: Result, calibration: Calibration | None) -> Result:
    def probability(score: float) -> float | None:
        """Return what was counted of studies with such a score; nothing was counted below the operating point."""
        if calibration is None or score < calibration.operating_point:
            return None
        return calibration.probability(score)

    findings = (f.model_copy(update={"calibrated_probability": probability(f.score)}) for f in found.findings)
    return replace(found, findings=tuple(findings))


def _find(connection: Connection, table: Table, key: Mapping[str, str | int]) -> Result | None:
    row = connection.execute(
        select(table).where(*(table.c[name] == value for name, value in key.items()))
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
        ComputeUse.model_validate(outcome["computing"]) if outcome.get("computing") else None,
    )


def _keep(connection: Connection, table: Table, key: Mapping[str, str | int], found: Result) -> Result:
    """Store a result unless there is one already; return the one that counts."""
    outcome = {
        "score": found.score,
        "findings": [finding.model_dump(mode="json") for finding in found.findings],
        "reasons": [reason.model_dump(mode="json") for reason in found.reasons],
        "computing": found.computing.model_dump(mode="json") if found.computing else None,
    }
    values = {"state": found.state.value, "outcome": outcome, "scored_at": found.scored_at}
    if insert_once(connection, table, {**key, **values}):
        return found
    return _find(connection, table, key) or found


def _key(identity: Identity) -> dict[str, str | int]:
    return {
        "series_instance_uid": identity.series_instance_uid,
        "series_revision": identity.series_revision,
        "model_id": identity.model.model_id,
        "version": identity.model.version_label,
        "weights_digest": identity.model.weights_digest,
        "run": identity.run,
    }
