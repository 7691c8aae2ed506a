"""
The record of each event type, version by version.

Within a version only optional fields are added; a breaking change is the next version, and readers accept N and
N-1. Every number that orders facts about one thing (`study_version`, `series_revision`, `run`, `activation`,
`order_version`, `report_version`) grows, and a handler never lets a lower one overwrite a higher.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from voorrang.events.reading_records import (
    FindingAcknowledged,
    FindingEscalated,
    FindingJudged,
    ReadingClosed,
    ReadingOpened,
)
from voorrang.events.record import Record as Record
from voorrang.events.record import Time as Time

Position = tuple[float, float, float]
Lane = Literal["urgent", "routine"]
Tier = Literal["stat", "urgent", "routine"]
OperatorVerb = Literal[
    "force-complete", "reprocess", "resend", "suppress", "hold", "release", "quarantine-replay", "quarantine-discard"
]


RejectionReason = Literal["quality", "patient_safety", "wrong_worklist_entry", "expired"]
ItemStanding = Literal["open", "reported", "withdrawn"]


class Claim(Record):
    """
    A series that a pathway wants.

    `series_revision` is the last that was complete for it, 0 before the first; `open`: images came that are not in it.
    """

    series_instance_uid: str
    pathway: str
    series_revision: int = 0
    open: bool = False


class StudyUpdated(Record):
    """
    Ingest saw a study for the first time, or something about it changed.

    `withdrawn` says why none of its images stands any more; None while one does.
    """

    event_type: ClassVar[str] = "study-updated"

    study_instance_uid: str
    study_version: int
    first_received_at: Time
    last_received_at: Time
    modalities: tuple[str, ...]
    series_count: int
    instance_count: int
    prior: bool
    claims: tuple[Claim, ...]
    withdrawn: RejectionReason | None = None
    withdrawn_at: Time | None = None


class SeriesCompleted(Record):
    """By the rule of one pathway, no more instances of a series are awaited."""

    event_type: ClassVar[str] = "series-completed"

    study_instance_uid: str
    series_instance_uid: str
    series_revision: int
    instances_digest: str
    instance_count: int
    pathway: str
    lane: Lane
    manifest: str
    last_received_at: Time
    partial: bool
    verdict: tuple[str, ...]
    verdict_text: str = ""
    run: int = 1


class SeriesConfirmed(Record):
    """A complete series is confirmed: a negative of this revision is no longer provisional."""

    event_type: ClassVar[str] = "series-confirmed"

    study_instance_uid: str
    series_instance_uid: str
    series_revision: int
    instances_digest: str
    pathway: str
    verdict: str


class SeriesRejected(Record):
    """
    Images of a series were rejected: whatever was made of it up to this revision is void.

    Of what stands of the series, or comes later, there is a higher revision.
    """

    event_type: ClassVar[str] = "series-rejected"

    study_instance_uid: str
    series_instance_uid: str
    series_revision: int
    reason: RejectionReason
    rejected_at: Time


class ModelIdentity(Record):
    """Which model, exactly."""

    model_id: str
    version_label: str
    weights_digest: str


class ScoredFinding(Record):
    """
    One finding.

    `score` is the probability that the model gave; `calibrated_probability` is how often a flagged study with this
    score is right at this site, by the calibration that was active when it was scored, null without one. Position and
    two opposite corners of the box are in patient coordinates (LPS), mm; the edges of the box run along the rows, the
    columns and the normal of the slices. `picture` is the locator of the key picture.
    """

    type: str
    score: float
    position_mm: Position | None = None
    diameter_mm: float | None = None
    box_mm: tuple[Position, Position] | None = None
    calibrated_probability: float | None = None
    picture: str | None = None


class ComputeUse(Record):
    """What a model took for one series, without reading it; `cost` in the currency of the site's prices."""

    seconds: float
    device: Literal["cpu", "cuda"]
    precision: str
    cost: float | None = None


class Reason(Record):
    """A coded reason and its sentence."""

    code: str
    text: str


class ScoringState(StrEnum):
    """How the reading of a series by a model ended."""

    SCORED = "scored"
    OUT_OF_SCOPE = "out_of_scope"
    FAILED = "failed"


class FindingsScored(Record):
    """A model has answered for one revision of a series: scored, out of scope or failed."""

    event_type: ClassVar[str] = "findings-scored"

    study_instance_uid: str
    series_instance_uid: str
    series_revision: int
    instances_digest: str
    pathway: str
    model: ModelIdentity
    run: int = 1
    state: ScoringState
    score: float | None = None
    operating_point: float
    findings: tuple[ScoredFinding, ...] = ()
    reasons: tuple[Reason, ...] = ()
    computing: ComputeUse | None = None
    last_received_at: Time
    scored_at: Time

    @property
    def flagged(self) -> bool:
        """Whether the score reaches the operating point."""
        return self.score is not None and self.score >= self.operating_point


class WorklistItemRanked(Record):
    """
    The place of an item was decided: its sort key or what is shown of it changed.

    `rank` is 0 for one that is off the live list, since `settled_at`.
    """

    event_type: ClassVar[str] = "worklist-item-ranked"

    item_key: str
    item_version: int
    study_instance_uids: tuple[str, ...]
    tier: Tier
    rank: int
    state: str
    provisional: bool
    pathway: str | None = None
    last_received_at: Time
    ranked_at: Time
    standing: ItemStanding = "open"
    settled_at: Time | None = None


class ModelActivated(Record):
    """A person gave a model version its influence on one pathway."""

    event_type: ClassVar[str] = "model-activated"

    activation: int
    pathway: str
    model: ModelIdentity
    influence: Literal["none", "display", "rank"]
    operating_point: float
    lift_to: Tier
    harm_per_minute: float
    reading_minutes: float | None = None
    calibration_digest: str | None = None
    read_within_minutes: float | None = None


class ModelSuspended(Record):
    """A person took a model's influence away."""

    event_type: ClassVar[str] = "model-suspended"

    activation: int
    pathway: str
    model: ModelIdentity


class SeriesDeleted(Record):
    """Retention took the instances of a series from the archive; what is known of it stays."""

    event_type: ClassVar[str] = "series-deleted"

    study_instance_uid: str
    series_instance_uid: str
    instance_count: int
    size_bytes: int
    why: str
    deleted_at: Time


class OperatorAction(Record):
    """A person did something to a study, a series or an instance in quarantine."""

    event_type: ClassVar[str] = "operator-action"

    action: OperatorVerb
    actor: str
    role: str
    reason: str
    at: Time
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None


class OrderRecord(Record):
    """
    What an order asks for, whole, as it stands at this version; whose it is and the question's words are not in it.

    `study_instance_uids` are those that the order itself names; by its key a study is matched also without.
    """

    order_version: int
    urgency: Tier
    reading_group: str = ""
    procedure_code: str = ""
    reason_codes: tuple[str, ...] = ()
    has_clinical_question: bool = False
    study_instance_uids: tuple[str, ...] = ()
    ordered_at: Time
    stated_at: Time


class OrderPlaced(OrderRecord):
    """An order was heard of for the first time."""

    event_type: ClassVar[str] = "order-placed"


class OrderChanged(OrderRecord):
    """Something about an order changed, its patient's key too; also the first word of one that was missed."""

    event_type: ClassVar[str] = "order-changed"


class OrderCancelled(OrderRecord):
    """Nobody awaits a report of this order any more."""

    event_type: ClassVar[str] = "order-cancelled"


class ReportRecord(Record):
    """
    One version of a report; its words are in the identity store.

    `report_version` is made of the time that the message states: a report that comes late never lies above a newer.
    """

    report_version: int
    study_instance_uids: tuple[str, ...] = ()
    content_digest: str
    stated_at: Time


class ReportPreliminary(ReportRecord):
    """A report that somebody has still to sign."""

    event_type: ClassVar[str] = "report-preliminary"


class ReportFinalized(ReportRecord):
    """A signed report."""

    event_type: ClassVar[str] = "report-finalized"


class ReportCorrected(ReportRecord):
    """A signed report that replaces another."""

    event_type: ClassVar[str] = "report-corrected"


class PatientMerged(Record):
    """Two patients are one: everything of the merged one is the surviving one's from now on."""

    event_type: ClassVar[str] = "patient-merged"

    surviving_patient_key: str
    merged_patient_key: str
    stated_at: Time


class PatientChanged(Record):
    """What the identity store says of a patient changed."""

    event_type: ClassVar[str] = "patient-changed"

    stated_at: Time


RECORDS: tuple[type[Record], ...] = (
    StudyUpdated,
    SeriesCompleted,
    SeriesConfirmed,
    SeriesRejected,
    FindingsScored,
    WorklistItemRanked,
    ModelActivated,
    ModelSuspended,
    SeriesDeleted,
    OperatorAction,
    OrderPlaced,
    OrderChanged,
    OrderCancelled,
    ReportPreliminary,
    ReportFinalized,
    ReportCorrected,
    PatientMerged,
    PatientChanged,
    ReadingOpened,
    ReadingClosed,
    FindingJudged,
    FindingEscalated,
    FindingAcknowledged,
)
