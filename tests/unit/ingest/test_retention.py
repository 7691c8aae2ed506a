"""What retention takes, in which order and why; and what it never takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.retention import (
    DAY,
    ClaimFacts,
    DeleteReason,
    KeepReason,
    Limits,
    SeriesFacts,
    judge,
    plan,
)
from voorrang.pathways.loading import load_pathways

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
STROKE = load_pathways(None)["stroke"]


def pathway(name: str, keep_days: int | None, unless_confirmed: int = 0) -> Any:
    values = STROKE.model_dump(by_alias=True) | {"pathway": name, "retention": None}
    if keep_days is not None:
        values["retention"] = {"keep_days": keep_days, "keep_days_unless_confirmed": unless_confirmed}
    return type(STROKE).model_validate(values)


LIMITS = Limits(
    {
        "short": pathway("short", 10, 30),
        "long": pathway("long", 60, 90),
        "unlimited": pathway("unlimited", None),
    },
    days_unclaimed=14,
)


def make_series(days: float = 100, *claims: tuple[str, bool], **changes: Any) -> SeriesFacts:
    """Make a series whose last instance came so many days ago."""
    at = NOW - days * DAY
    values: dict[str, Any] = {
        "series_instance_uid": "1.2.3",
        "study_instance_uid": "1.2",
        "last_received_at": at,
        "study_active_at": at,
        "is_held": False,
        "is_open": False,
        "claims": tuple(ClaimFacts(*claim) for claim in claims),
    }
    return SeriesFacts(**(values | changes))


ANSWERED, UNANSWERED = ("short", True), ("short", False)


@pytest.mark.parametrize(
    ("series", "low", "confirmed", "wanted"),
    [
        (make_series(29, ANSWERED), False, False, KeepReason.WITHIN_LIMIT),
        (make_series(30, ANSWERED), False, False, KeepReason.WITHIN_LIMIT),
        (make_series(31, ANSWERED), False, False, DeleteReason.ANSWERED),
        (make_series(9, ANSWERED), False, True, KeepReason.WITHIN_LIMIT),
        (make_series(11, ANSWERED), False, True, DeleteReason.CONFIRMED),
        (make_series(11, UNANSWERED), False, True, KeepReason.UNANSWERED),
        (make_series(29, UNANSWERED), False, False, KeepReason.UNANSWERED),
        (make_series(31, UNANSWERED), False, False, DeleteReason.UNANSWERED),
        (make_series(2, ANSWERED), True, False, DeleteReason.WATERMARK),
        (make_series(31, ANSWERED), True, False, DeleteReason.ANSWERED),
        (make_series(2, UNANSWERED), True, False, KeepReason.UNANSWERED),
        (make_series(0.9, ANSWERED), True, False, KeepReason.ACTIVE),
        (make_series(14), False, False, KeepReason.WITHIN_LIMIT),
        (make_series(15), False, False, DeleteReason.UNCLAIMED),
        (make_series(2), True, False, KeepReason.WITHIN_LIMIT),
        (make_series(31, ANSWERED, ("long", True)), False, False, KeepReason.WITHIN_LIMIT),
        (make_series(91, ANSWERED, ("long", True)), False, False, DeleteReason.ANSWERED),
        (make_series(91, ANSWERED, ("long", False)), False, False, DeleteReason.UNANSWERED),
        (make_series(2, ANSWERED, ("long", False)), True, False, KeepReason.UNANSWERED),
        (make_series(9999, ("unlimited", True)), False, True, KeepReason.NO_LIMIT),
        (make_series(9999, ANSWERED, ("unlimited", False)), False, False, KeepReason.UNANSWERED),
        (make_series(9999, ("unlimited", True)), True, False, DeleteReason.WATERMARK),
        (make_series(9999, ("no longer a file", True)), False, False, KeepReason.NO_LIMIT),
        (make_series(100, ANSWERED, is_held=True), True, True, KeepReason.HELD),
        (make_series(100, ANSWERED, is_open=True), True, True, KeepReason.OPEN),
        (make_series(100, ANSWERED, study_active_at=NOW - DAY / 2), True, True, KeepReason.ACTIVE),
        (make_series(-5, ANSWERED), True, True, KeepReason.ACTIVE),  # the clock was set back
    ],
)
def test_a_series_goes_or_stays_for_one_reason(
    series: SeriesFacts, low: bool, confirmed: bool, wanted: DeleteReason | KeepReason
) -> None:
    assert judge(series, LIMITS, NOW, disk_low=low, confirmed_elsewhere=confirmed) is wanted


def test_no_limit_for_what_none_claims_keeps_it() -> None:
    limits = Limits(LIMITS.pathways, days_unclaimed=0)

    assert judge(make_series(9999), limits, NOW, disk_low=True) is KeepReason.NO_LIMIT


def test_the_oldest_goes_first_and_what_is_due_before_what_could_be_spared() -> None:
    ages = [40, 5, 99, 3, 31, 8, 2]
    every = [make_series(days, ANSWERED, series_instance_uid=f"1.{days}") for days in ages]

    found = plan(every, LIMITS, NOW)

    assert [one.series.series_instance_uid for one in found.due] == ["1.99", "1.40", "1.31"]
    assert [one.series.series_instance_uid for one in found.spare] == ["1.8", "1.5", "1.3", "1.2"]
    assert {one.why for one in found.spare} == {DeleteReason.WATERMARK}


def test_every_series_is_in_the_plan_once() -> None:
    every = [make_series(50, ANSWERED), make_series(5, ANSWERED), make_series(5, UNANSWERED), make_series(5)]
    every += [make_series(50, is_held=True), make_series(50, is_open=True)]

    found = plan(every, LIMITS, NOW)

    assert len(found.due) + len(found.spare) + sum(found.kept.values()) == len(every)
    assert found.kept == {
        KeepReason.UNANSWERED: 1,
        KeepReason.WITHIN_LIMIT: 1,
        KeepReason.HELD: 1,
        KeepReason.OPEN: 1,
    }


def test_the_pathways_of_the_package_have_limits() -> None:
    for found in load_pathways(None).values():
        assert found.retention is not None
        assert 1 <= found.retention.keep_days <= found.retention.keep_days_unless_confirmed


def test_a_pathway_without_the_section_has_none() -> None:
    assert pathway("stroke", None).retention is None


@pytest.mark.parametrize("days", [(0, 5), (5, 4), (-1, 5)])
def test_limits_that_make_no_sense_are_refused(days: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="retention"):
        pathway("stroke", *days)


ages = st.floats(min_value=-10, max_value=200)
any_series = st.builds(
    lambda days, active, held, is_open, claims: make_series(
        days,
        *claims,
        is_held=held,
        is_open=is_open,
        study_active_at=NOW - active * DAY,
    ),
    ages,
    ages,
    st.booleans(),
    st.booleans(),
    st.lists(st.tuples(st.sampled_from(["short", "long", "unlimited", "gone"]), st.booleans()), max_size=3),
)


@given(any_series, st.booleans(), st.booleans())
def test_nothing_held_open_young_or_still_awaited_is_ever_taken(
    series: SeriesFacts, low: bool, confirmed: bool
) -> None:
    found = judge(series, LIMITS, NOW, disk_low=low, confirmed_elsewhere=confirmed)
    if isinstance(found, KeepReason):
        return
    age = NOW - series.last_received_at

    assert not series.is_held
    assert not series.is_open
    assert age >= DAY
    assert NOW - series.study_active_at >= DAY
    if not series.claims:
        assert age > timedelta(days=14)
    elif not all(claim.is_answered for claim in series.claims):
        assert age > timedelta(days=90 if any(c.pathway == "long" for c in series.claims) else 30)
        assert {claim.pathway for claim in series.claims} <= {"short", "long"}
    if not low and not confirmed and series.claims:
        assert age > timedelta(days=30)
