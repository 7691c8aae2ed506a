"""
When on-call radiology is told of a critical finding that nobody has read. Pure.

Only on-call radiology, only while the item is unread, at most so many messages for a model in an hour, and none for a
backlog: after an outage the list itself is what people look at, and fifty messages at once would be none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from voorrang.pathways.pathway import EscalationRule

LATE_MINUTES = 10.0  # a first message that is later than this belongs to a backlog
ANSWER_MINUTES = 30.0  # so does an answer that came this long after the last image
AGAIN_SECONDS = 60.0  # after a message that no channel took


class CallState(StrEnum):
    """Whether a finding waits to be taken."""

    WAITING = "waiting"
    ENDED = "ended"


class WhyEnded(StrEnum):
    """Why nobody is told any more, or never was."""

    OPENED = "opened"
    CLOSED = "closed"
    ACKNOWLEDGED = "acknowledged"
    UNFLAGGED = "unflagged"
    BACKLOG = "backlog"
    LIMIT = "limit"


class Step(StrEnum):
    """What to do with a call that is due."""

    TELL = "tell"
    LATER = "later"
    WAIT_FOR_LIMIT = "wait_for_limit"
    END = "end"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    A flag that the list began to show at `flagged_at`; the last image came at `last_received_at`.

    `unread_since` is later where a reader has read other studies of its item by then, and not that one.
    """

    flagged_at: datetime
    unread_since: datetime
    last_received_at: datetime
    is_listed: bool
    opened_since: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a call that is due; `told_this_hour` counts the messages about its model."""

    due_at: datetime
    step: int
    limited: bool
    is_listed: bool
    is_flagged: bool
    is_being_read: bool
    told_this_hour: int


def first_at(rule: EscalationRule, unread_since: datetime) -> datetime:
    """Return when the first message is due."""
    return unread_since + timedelta(minutes=rule.after_minutes)


def why_not(rule: EscalationRule, finding: Finding, now: datetime) -> WhyEnded | None:
    """Return why nobody will be told of a finding that was seen now for the first time; None when somebody will."""
    if not finding.is_listed:
        return WhyEnded.CLOSED
    if finding.opened_since:
        return WhyEnded.OPENED
    answered_late = finding.flagged_at - finding.last_received_at > timedelta(minutes=ANSWER_MINUTES)
    if answered_late or _is_late(first_at(rule, finding.unread_since), now):
        return WhyEnded.BACKLOG
    return None


def next_step(rule: EscalationRule, standing: Standing, now: datetime) -> tuple[Step, WhyEnded | None]:
    """Return what to do with a call that is due, and why it ends when it does."""
    if not standing.is_listed:
        return Step.END, WhyEnded.CLOSED
    if not standing.is_flagged:
        return Step.END, WhyEnded.UNFLAGGED
    if standing.is_being_read:  # opened before the flag was shown: not unread, and not known to be seen
        return Step.LATER, None
    if standing.step == 0 and _is_late(standing.due_at, now):
        return Step.END, WhyEnded.LIMIT if standing.limited else WhyEnded.BACKLOG
    if standing.told_this_hour >= rule.max_per_hour:
        return Step.WAIT_FOR_LIMIT, None
    return Step.TELL, None


def _is_late(due_at: datetime, now: datetime) -> bool:
    return now > due_at + timedelta(minutes=LATE_MINUTES)
