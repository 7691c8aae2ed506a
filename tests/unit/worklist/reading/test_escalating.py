"""When on-call radiology is told, by hand: a rule of 5 minutes, then every 10, at most 2 an hour for a model."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from voorrang.pathways.pathway import EscalationRule
from worklist.reading.escalating import Finding, Standing, Step, WhyEnded, first_at, next_step, why_not

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
RULE = EscalationRule(after_minutes=5, repeat_minutes=10, max_per_hour=2)
FINDING = Finding(NOON, NOON, NOON - timedelta(minutes=2), is_listed=True, opened_since=False)
UNREAD = Standing(NOON, 0, limited=False, is_listed=True, is_flagged=True, is_being_read=False, told_this_hour=0)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_the_first_message_is_due_some_minutes_after_the_list_showed_the_flag() -> None:
    assert first_at(RULE, NOON) == at(5)


def test_a_fresh_unread_finding_will_be_told() -> None:
    assert why_not(RULE, FINDING, at(0.1)) is None


@pytest.mark.parametrize(
    ("finding", "now", "why"),
    [
        (replace(FINDING, is_listed=False), at(0.1), WhyEnded.CLOSED),
        (replace(FINDING, opened_since=True), at(0.1), WhyEnded.OPENED),
        (replace(FINDING, last_received_at=at(-31)), at(0.1), WhyEnded.BACKLOG),  # the model was away
        (FINDING, at(15.1), WhyEnded.BACKLOG),  # we were away
        (replace(FINDING, unread_since=at(60)), at(75.1), WhyEnded.BACKLOG),
    ],
)
def test_what_is_read_closed_or_of_a_backlog_is_never_told(finding: Finding, now: datetime, why: WhyEnded) -> None:
    assert why_not(RULE, finding, now) is why


def test_what_a_reader_left_of_an_item_that_was_flagged_long_before_is_no_backlog() -> None:
    assert why_not(RULE, replace(FINDING, unread_since=at(60)), at(60.1)) is None


@pytest.mark.parametrize("minutes", [0, 14.9])
def test_a_short_absence_is_no_outage(minutes: float) -> None:
    assert why_not(RULE, FINDING, at(minutes)) is None


@pytest.mark.parametrize(
    ("standing", "now", "step", "why"),
    [
        (UNREAD, at(0), Step.TELL, None),
        (UNREAD, at(10), Step.TELL, None),
        (UNREAD, at(10.1), Step.END, WhyEnded.BACKLOG),
        (replace(UNREAD, limited=True), at(10.1), Step.END, WhyEnded.LIMIT),
        (replace(UNREAD, step=1), at(600), Step.TELL, None),  # begun before an outage, and still nobody took it
        (replace(UNREAD, told_this_hour=2), at(0), Step.WAIT_FOR_LIMIT, None),
        (replace(UNREAD, is_listed=False), at(0), Step.END, WhyEnded.CLOSED),
        (replace(UNREAD, is_flagged=False), at(0), Step.END, WhyEnded.UNFLAGGED),
        (replace(UNREAD, is_being_read=True), at(0), Step.LATER, None),
        (replace(UNREAD, is_being_read=True), at(60), Step.LATER, None),
    ],
)
def test_what_is_done_with_a_call_that_is_due(
    standing: Standing, now: datetime, step: Step, why: WhyEnded | None
) -> None:
    assert next_step(RULE, standing, now) == (step, why)
