"""
The state of an item, from its facts. Pure.

Silence is never negative: what has no answer is running, late, failed or out of scope and says so; a series that was
scored and not flagged is provisional until ingest confirms it, and even then nothing here says that a condition is
absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from voorrang.events.records import FindingsScored, ScoringState
from voorrang.pathways.pathway import Pathway
from voorrang.register import Activation, Influence, Standing, standing
from worklist.facts import ItemFacts, StudyFacts
from worklist.policy import Lift

NOT_ACTIVATED = "not_activated"


class ItemState(StrEnum):
    """What is known of an item or of one pathway of it; a closed set."""

    SCORED = "scored"
    RUNNING = "running"
    LATE = "late"
    FAILED = "failed"
    OUT_OF_SCOPE = "out_of_scope"
    NO_PATHWAY = "no_pathway"
    PRIOR = "prior"


@dataclass(frozen=True, slots=True)
class PathwayView:
    """
    What one pathway says of an item.

    `score` and `finding` belong to the answer that counts; reason codes and texts say why there is none. `lift` is
    there only when a flagged answer may move the item.
    """

    pathway: str
    state: ItemState
    flagged: bool = False
    provisional: bool = False
    score: float | None = None
    model_id: str = ""
    statement: str = ""
    reason_code: str = ""
    reason: str = ""
    position_mm: tuple[float, float, float] | None = None
    finding_type: str = ""
    lift: Lift | None = None


# Which state of several speaks for the whole: a flag first, then what is still to come, then what went wrong.
_LOUDEST = (
    ItemState.LATE,
    ItemState.RUNNING,
    ItemState.FAILED,
    ItemState.SCORED,
    ItemState.OUT_OF_SCOPE,
    ItemState.NO_PATHWAY,
    ItemState.PRIOR,
)


@dataclass(frozen=True, slots=True)
class ItemView:
    """What is shown of an item, and the lifts that move it."""

    state: ItemState
    provisional: bool
    pathways: tuple[PathwayView, ...]

    @property
    def speaks(self) -> PathwayView | None:
        """The pathway that speaks for the item; None where no pathway wants it."""
        return self.pathways[0] if self.pathways else None

    @property
    def lifts(self) -> tuple[Lift, ...]:
        """What flagged answers with influence ask for."""
        return tuple(view.lift for view in self.pathways if view.lift is not None)

    @property
    def is_pending(self) -> bool:
        """Whether time alone may still change it."""
        return any(view.state is ItemState.RUNNING for view in self.pathways)


def view_item(
    facts: ItemFacts, pathways: Mapping[str, Pathway], activations: Sequence[Activation], now: datetime
) -> ItemView:
    """Return what is shown of an item now."""
    if all(study.prior for study in facts.studies):
        return ItemView(ItemState.PRIOR, False, ())
    views = [
        view_pathway(study, pathways[name], activations, now)
        for study in facts.studies
        if not study.prior
        for name in sorted({pathway for _, pathway in study.claims} & pathways.keys())
    ]
    if not views:
        return ItemView(ItemState.NO_PATHWAY, False, ())
    ordered = tuple(sorted(views, key=_loudness))
    return ItemView(ordered[0].state, ordered[0].provisional, ordered)


def view_pathway(study: StudyFacts, pathway: Pathway, activations: Sequence[Activation], now: datetime) -> PathwayView:
    """Return what one pathway says of one study: the loudest of its series and models."""
    active = [use.name for use in pathway.models if _is_activated(activations, pathway, use.name)]
    if not active:
        text = f"no model is active for {pathway.name}: not analysed"
        return PathwayView(pathway.name, ItemState.OUT_OF_SCOPE, reason_code=NOT_ACTIVATED, reason=text)
    series = [uid for uid, name in study.claims if name == pathway.name]
    answers = {(a.series_instance_uid, a.model.model_id): a for a in study.answers if a.pathway == pathway.name}
    views = [
        _view_answer(study, pathway, standing_of, answer)
        if (answer := answers.get((uid, model_id)))
        and (standing_of := standing(activations, pathway, answer.model)).influence is not Influence.NONE
        else _view_silence(study, pathway, answer, activations, now)
        for uid in series
        for model_id in active
    ]
    return min(views, key=_loudness)


def _is_activated(activations: Sequence[Activation], pathway: Pathway, model_id: str) -> bool:
    return any(
        a.pathway == pathway.name and a.model.model_id == model_id and a.influence is not Influence.NONE
        for a in activations
    )


def _view_answer(study: StudyFacts, pathway: Pathway, allowed: Standing, answer: FindingsScored) -> PathwayView:
    statement = allowed.activation.model.statement if allowed.activation else ""
    if answer.state is not ScoringState.SCORED:
        state = ItemState.FAILED if answer.state is ScoringState.FAILED else ItemState.OUT_OF_SCOPE
        code = answer.reasons[0].code if answer.reasons else ""
        text = "; ".join(reason.text for reason in answer.reasons)
        return PathwayView(pathway.name, state, model_id=answer.model.model_id, reason_code=code, reason=text)
    top = max(answer.findings, key=lambda finding: finding.score, default=None)
    key = (answer.series_instance_uid, pathway.name, answer.series_revision)
    return PathwayView(
        pathway.name,
        ItemState.SCORED,
        flagged=answer.flagged,
        provisional=not answer.flagged and key not in study.confirmed,
        score=answer.score,
        model_id=answer.model.model_id,
        statement=statement,
        position_mm=top.position_mm if top else None,
        finding_type=top.type if top else "",
        lift=_lift(pathway, allowed) if answer.flagged else None,
    )


def _lift(pathway: Pathway, allowed: Standing) -> Lift | None:
    if allowed.influence is not Influence.RANK or allowed.activation is None:
        return None
    activated = allowed.activation
    return Lift(activated.lift_to, activated.harm_per_minute, pathway.reading.minutes)


def _view_silence(
    study: StudyFacts,
    pathway: Pathway,
    answer: FindingsScored | None,
    activations: Sequence[Activation],
    now: datetime,
) -> PathwayView:
    if answer is not None:
        text = standing(activations, pathway, answer.model).banner or ""
        return PathwayView(pathway.name, ItemState.OUT_OF_SCOPE, reason_code=NOT_ACTIVATED, reason=text)
    waited_minutes = (now - study.last_received_at).total_seconds() / 60
    if waited_minutes > pathway.delay.result_within_minutes:
        text = f"no answer within {pathway.delay.result_within_minutes:g} minutes"
        return PathwayView(pathway.name, ItemState.LATE, reason_code="late", reason=text)
    return PathwayView(pathway.name, ItemState.RUNNING, reason_code="running", reason="awaits images or an answer")


def _loudness(view: PathwayView) -> tuple[bool, int, float, str]:
    return (not view.flagged, _LOUDEST.index(view.state), -(view.score or 0.0), view.pathway)
