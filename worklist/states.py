"""
The state of an item, from its facts. Pure.

Silence is never negative: what has no answer is running, late, failed or out of scope and says so; a series that was
scored and not flagged is provisional until ingest confirms it, and even then nothing here says that a condition is
absent. Once more of its images come, an answer without a flag is silence about them; a flag stays until they
are scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from types import MappingProxyType

from voorrang.calibration import Calibration
from voorrang.events.records import FindingsScored, ScoringState
from voorrang.pathways.pathway import Pathway
from voorrang.register import Activation, Influence, standing_of
from worklist.facts import ClaimFacts, ItemFacts, StudyFacts
from worklist.ordering.places import BASELINE, Lift
from worklist.ordering.tiers import TierOrder, tier_order

NOT_ACTIVATED = "not_activated"
WITHOUT_SCORE = "without_score"
REJECTED = "rejected"
NOTHING_COUNTED: Mapping[str, Calibration] = MappingProxyType({})


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
    there only when a flagged answer may move the item; `probability` that a flag is right here, where that was counted,
    and `at_most` how large it may be by that count. `pictures` are locators of the key pictures of the findings that
    reach the operating point, the highest first; what is not flagged shows none. Series, revision and run say which
    finding is spoken of, with a score.
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
    pictures: tuple[str, ...] = ()
    lift: Lift | None = None
    probability: float | None = None
    at_most: float | None = None
    series_instance_uid: str = ""
    series_revision: int = 0
    run: int = 0


# Which state of several speaks for the whole, after the flags: what is still to come, then what went wrong.
_LOUDEST = (
    ItemState.LATE,
    ItemState.RUNNING,
    ItemState.FAILED,
    ItemState.SCORED,
    ItemState.OUT_OF_SCOPE,
    ItemState.NO_PATHWAY,
    ItemState.PRIOR,
)
# Of the models of a pathway: one that read nothing of a study is not hidden by one that flagged nothing of it. Of the
# series of one model it is, since most are out of scope only because a better one is read.
_LOUDEST_OF_MODELS = (
    ItemState.LATE,
    ItemState.RUNNING,
    ItemState.FAILED,
    ItemState.OUT_OF_SCOPE,
    ItemState.SCORED,
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
    facts: ItemFacts,
    pathways: Mapping[str, Pathway],
    activations: Sequence[Activation],
    now: datetime,
    calibrations: Mapping[str, Calibration] = NOTHING_COUNTED,
) -> ItemView:
    """Return what is shown of an item now."""
    if all(study.prior for study in facts.studies):
        return ItemView(ItemState.PRIOR, False, ())
    views = [
        view_pathway(study, pathways[name], activations, now, calibrations)
        for study in facts.studies
        if not study.prior
        for name in sorted({claim.pathway for claim in study.claims} & pathways.keys())
    ]
    if not views:
        return ItemView(ItemState.NO_PATHWAY, False, ())
    ordered = tuple(sorted(views, key=_loudness))
    return ItemView(ordered[0].state, ordered[0].provisional, ordered)


def late_at(facts: ItemFacts, pathways: Mapping[str, Pathway], now: datetime) -> datetime | None:
    """Return from when on an answer of an item that is not there is late; None when all promised times are over."""
    promised = (
        study.last_received_at + timedelta(minutes=pathways[name].delay.result_within_minutes)
        for study in facts.studies
        for name in {claim.pathway for claim in study.claims} & pathways.keys()
    )
    return min((at for at in promised if at >= now), default=None)


def view_pathway(
    study: StudyFacts,
    pathway: Pathway,
    activations: Sequence[Activation],
    now: datetime,
    calibrations: Mapping[str, Calibration] = NOTHING_COUNTED,
) -> PathwayView:
    """Return what one pathway says of one study: of each model the loudest of its series, of those the loudest."""
    models = dict.fromkeys(use.name for use in pathway.models)
    standings = [standing_of(activations, pathway, model, calibrations) for model in models]
    active = [s.activation for s in standings if s.activation is not None and s.influence is not Influence.NONE]
    if not active:
        text = f"no model is active for {pathway.name}: not analysed"
        return PathwayView(pathway.name, ItemState.OUT_OF_SCOPE, reason_code=NOT_ACTIVATED, reason=text)
    claims = [claim for claim in study.claims if claim.pathway == pathway.name]
    views = [
        min((_view_series(study, pathway, claim, one, now, calibrations) for claim in claims), key=_loudness)
        for one in active
    ]
    return min(views, key=partial(_loudness, order=_LOUDEST_OF_MODELS))


def _view_series(
    study: StudyFacts,
    pathway: Pathway,
    claim: ClaimFacts,
    active: Activation,
    now: datetime,
    calibrations: Mapping[str, Calibration],
) -> PathwayView:
    """Return what the activated version of a model says of a series; the answers of any other version are not seen."""
    series_instance_uid = claim.series_instance_uid
    if (why := _why_rejected(study, claim)) is not None:
        text = f"its images were rejected ({why.replace('_', ' ')}): not analysed"
        return PathwayView(pathway.name, ItemState.OUT_OF_SCOPE, reason_code=REJECTED, reason=text)
    mine = [
        answer
        for answer in study.answers
        if (answer.series_instance_uid, answer.pathway, answer.model.model_id)
        == (series_instance_uid, pathway.name, active.model.model_id)
    ]
    activated = (active.model.version, active.model.weights_digest)
    found = [a for a in mine if (a.model.version_label, a.model.weights_digest) == activated]
    if not found:
        return _view_silence(study, pathway, " from the version that was activated" if mine else "", now)
    answer = _what_counts(found, active)
    flagged = _is_flag(answer, active)
    if not flagged and answer.series_revision < _awaited_revision(study, claim):
        return _view_silence(study, pathway, " about the images that came last", now)
    view = PathwayView(pathway.name, ItemState.SCORED, model_id=active.model.model_id, statement=active.model.statement)
    if answer.state is not ScoringState.SCORED:
        state = ItemState.FAILED if answer.state is ScoringState.FAILED else ItemState.OUT_OF_SCOPE
        code = answer.reasons[0].code if answer.reasons else state.value
        sentences = [reason.text.rstrip(". ") for reason in answer.reasons]
        text = ". ".join(sentences) or f"{active.model.model_id} gave no reason"
        return replace(view, state=state, reason_code=code, reason=text)
    if answer.score is None:
        text = f"{active.model.model_id} answered without a score"
        return replace(view, state=ItemState.FAILED, reason_code=WITHOUT_SCORE, reason=text)
    shows = active.model.shows
    calibration = calibrations.get(active.calibration_digest or "")
    probability = calibration.probability(answer.score) if flagged and calibration else None
    top = max(answer.findings, key=lambda finding: finding.score, default=None)
    return replace(
        view,
        flagged=flagged,
        provisional=not flagged and (series_instance_uid, pathway.name, answer.series_revision) not in study.confirmed,
        score=answer.score if shows.has_measures else None,
        position_mm=top.position_mm if top and shows.has_places else None,
        finding_type=top.type if top else "",
        pictures=_pictures(answer, active.operating_point) if flagged and shows.has_places else (),
        lift=_lift(active, probability) if flagged else None,
        probability=probability,
        at_most=calibration.at_most(answer.score) if flagged and calibration else None,
        series_instance_uid=series_instance_uid,
        series_revision=answer.series_revision,
        run=answer.run,
    )


def _what_counts(found: Sequence[FindingsScored], active: Activation) -> FindingsScored:
    """
    Return the answer that counts: the highest revision, then run.

    A flag gives way to a score alone: that a model failed at more images, or was not to read them, says nothing of
    those that were flagged.
    """
    ordered = sorted(found, key=lambda answer: (answer.series_revision, answer.run))
    scored = [answer for answer in ordered if answer.state is ScoringState.SCORED and answer.score is not None]
    return scored[-1] if scored and _is_flag(scored[-1], active) else ordered[-1]


def _is_flag(answer: FindingsScored, active: Activation) -> bool:
    # The activated operating point decides, not the one that the answer names: nobody but the register lowers it.
    reaches = answer.score is not None and answer.score >= active.operating_point
    return answer.state is ScoringState.SCORED and reaches


def _awaited_revision(study: StudyFacts, claim: ClaimFacts) -> int:
    """Return the lowest revision whose answer counts: a confirmed one is there, whatever else was heard of it."""
    key = (claim.series_instance_uid, claim.pathway)
    confirmed = (revision for uid, name, revision in study.confirmed if (uid, name) == key)
    return max((claim.awaited_revision, *confirmed))


def _why_rejected(study: StudyFacts, claim: ClaimFacts) -> str | None:
    """Return why nothing of a series is awaited; None where images stand, of which the next revision is awaited."""
    mine = (one for one in study.rejected if one.series_instance_uid == claim.series_instance_uid)
    return next((one.reason for one in mine if _awaited_revision(study, claim) <= one.series_revision), None)


def _pictures(answer: FindingsScored, operating_point: float) -> tuple[str, ...]:
    ordered = sorted(answer.findings, key=lambda finding: -finding.score)
    return tuple(f.picture for f in ordered if f.picture is not None and f.score >= operating_point)


def _lift(active: Activation, probability: float | None) -> Lift | None:
    if active.influence is not Influence.RANK:
        return None
    harm, minutes, target = active.harm_per_minute, active.reading_minutes, active.read_within_minutes
    return Lift(active.lift_to, harm, minutes, probability or 0.0, target)


def _view_silence(study: StudyFacts, pathway: Pathway, whose: str, now: datetime) -> PathwayView:
    waited_minutes = (now - study.last_received_at).total_seconds() / 60
    if waited_minutes > pathway.delay.result_within_minutes:
        text = f"no answer{whose} within {pathway.delay.result_within_minutes:g} minutes"
        return PathwayView(pathway.name, ItemState.LATE, reason_code="late", reason=text)
    return PathwayView(pathway.name, ItemState.RUNNING, reason_code="running", reason="awaits images or an answer")


def _loudness(
    view: PathwayView, order: Sequence[ItemState] = _LOUDEST
) -> tuple[bool, TierOrder, float, float, int, bool, float, str, str, str]:
    """
    Order views so that the first speaks for the whole.

    The flag that moves the item most, then any flag, then what is still to come: a provisional negative is shown as
    running, so it comes right after what is.
    """
    lift = view.lift
    state = ItemState.RUNNING if view.provisional else view.state
    return (
        not view.flagged,
        tier_order(lift.lift_to) if lift else TierOrder.ROUTINE,
        -lift.harm_rate if lift else -BASELINE,
        -lift.harm_per_minute / lift.reading_minutes if lift else -BASELINE,
        order.index(state),
        view.provisional,
        -(view.score or 0.0),
        view.pathway,
        view.model_id,
        view.series_instance_uid,
    )
