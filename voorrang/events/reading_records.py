"""The records of what readers do, and of what on-call radiology was told."""

from __future__ import annotations

from typing import ClassVar, Literal

from voorrang.events.record import Record, Time

HowOpened = Literal["next", "list", "pacs"]
WhyClosed = Literal["reported", "by_hand", "handed_back", "expired", "withdrawn"]
Judgement = Literal["agree", "disagree", "ai_wrong", "undone"]
WhyWrong = Literal["not_there", "missed", "wrong_place", "other_finding", "known_before", "artefact", "not_urgent"]


class ShownAnswer(Record):
    """
    What the list had shown of one model for an item, since when.

    Of which finding: series, revision and run; empty and 0 where that was not written down.
    """

    pathway: str
    model_id: str
    version_label: str
    flagged: bool
    since: Time
    series_instance_uid: str = ""
    series_revision: int = 0
    run: int = 0


class ReadingOpened(Record):
    """
    A reader opened an item and holds it until `until`, unless it is handed back or closed before.

    `ai_shown` is what the list had shown by then: empty when AI had shown nothing, none when that is not known.
    """

    event_type: ClassVar[str] = "reading-opened"

    reading: int
    item_key: str
    study_instance_uids: tuple[str, ...]
    how: HowOpened
    actor: str
    role: str
    opened_at: Time
    until: Time
    ai_shown: tuple[ShownAnswer, ...] | None = None


class ReadingClosed(Record):
    """A reading ended; `reading` is none for an item that was never opened here, `actor` empty where nobody did it."""

    event_type: ClassVar[str] = "reading-closed"

    reading: int | None = None
    item_key: str
    study_instance_uids: tuple[str, ...]
    why: WhyClosed
    actor: str
    role: str
    closed_at: Time


class FindingJudged(Record):
    """
    A reader agreed or disagreed with what AI had shown, or took that back (`undone`: the decision of `undoes`).

    `voided_by` says why the images were rejected that it was about, where that took it back and no reader did.
    """

    event_type: ClassVar[str] = "finding-judged"

    decision: int
    item_key: str
    study_instance_uids: tuple[str, ...]
    judgement: Judgement
    because: WhyWrong | None = None
    undoes: int | None = None
    actor: str
    role: str
    judged_at: Time
    ai_shown: tuple[ShownAnswer, ...] | None = None
    voided_by: str = ""


class FindingEscalated(Record):
    """On-call radiology was told, for the `step`-th time, that a critical finding waits unread."""

    event_type: ClassVar[str] = "finding-escalated"

    escalation: int
    step: int
    item_key: str
    study_instance_uids: tuple[str, ...]
    pathway: str
    model_id: str
    channels: tuple[Literal["email", "webhook"], ...]
    escalated_at: Time


class FindingAcknowledged(Record):
    """Somebody takes a critical finding: on-call radiology is told no more."""

    event_type: ClassVar[str] = "finding-acknowledged"

    decision: int
    item_key: str
    study_instance_uids: tuple[str, ...]
    actor: str
    role: str
    acknowledged_at: Time
