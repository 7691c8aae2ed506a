"""Whose minutes are whose, in which week, and what they cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.unit.worklist.minutes.reading_days import DAY, ROUTINE, STAT, at, make_exam
from voorrang.events.reading_records import HowOpened
from worklist.minutes.comparing import Compared
from worklist.minutes.facts import Exam, Said
from worklist.minutes.figures import Figure, Measure, before_first_open, costs, figures, share_of, week_of
from worklist.minutes.intervals import Interval, share_over_days


def compared(
    exam: Exam,
    opened: float,
    saved: float,
    *,
    lost_to_latency: float = 0,
    how: HowOpened = "next",
    followed: bool = True,
) -> Compared:
    minutes = timedelta(minutes=1)
    opened_at = at(opened)
    return Compared(
        exam, opened_at, 1, opened_at + saved * minutes, 1, opened_at - lost_to_latency * minutes, how, followed
    )


def by_name(found: list[Figure], pathway: str | None = None, week: str | None = None) -> dict[str, Figure]:
    return {one.measure.value: one for one in found if (one.pathway, one.week) == (pathway, week)}


EXAMS = [
    compared(make_exam("bleed", 0, flagged=2), 10, 30, lost_to_latency=4),
    compared(make_exam("false flag", 1, flagged=3), 20, 6, how="list", followed=False),
    compared(make_exam("late flag", 2, flagged=60), 30, -5, lost_to_latency=12),
    compared(make_exam("rest", 3), 40, -20),
    compared(make_exam("nodule", 4, flagged=9, pathway="lung-nodule"), 50, 2),
    compared(make_exam("lung", 5, pathway="lung-nodule"), 60, -3),
    compared(make_exam("code", 6, flagged=7, tier=STAT), 8, 1),
    compared(make_exam("no pathway", DAY * 7), DAY * 7 + 9, -1),
]


def test_each_exam_counts_once_and_confirmed_ones_again() -> None:
    found = by_name(figures(EXAMS, {("bleed", "stroke")}, UTC))
    minutes = {name: one.minutes for name, one in found.items()}

    assert minutes == {
        "saved_by_positives": 30 + 6 - 5 + 2,
        "saved_by_true_positives": 30,
        "saved_by_stat": 1,
        "lost_by_rest": 20 + 3 + 1,
        "lost_to_latency": 4 + 12,
    }
    exams = {name: one.exams for name, one in found.items()}
    assert exams["saved_by_positives"] + exams["saved_by_stat"] + exams["lost_by_rest"] == len(EXAMS)


def test_beside_each_figure_stands_how_the_order_was_kept() -> None:
    found = by_name(figures(EXAMS, (), UTC), "stroke")
    positives = found["saved_by_positives"]

    assert (positives.exams, positives.followed, positives.by_next) == (3, 2, 2)
    assert positives.minutes_per_exam == Interval(31 / 3, None, None)


def test_a_flag_of_another_pathway_makes_no_positive_of_this_one() -> None:
    found = by_name(figures(EXAMS, {("bleed", "stroke")}, UTC), "lung-nodule")

    assert found["saved_by_positives"].minutes == 2
    assert found["saved_by_true_positives"].exams == 0
    assert found["saved_by_true_positives"].minutes_per_exam is None
    assert found["lost_by_rest"].minutes == 3


@pytest.mark.parametrize(
    ("words", "is_positive"),
    [
        ([Said.FLAGGED, Said.NOTHING], True),  # the model was suspended or replaced, or more came and is not read yet
        ([Said.NOTHING, Said.FLAGGED, Said.NOTHING, Said.NOTHING], True),
        ([Said.FLAGGED, Said.NOTHING, Said.NOT_FLAGGED], False),
        ([Said.NOT_FLAGGED, Said.NOTHING], False),
    ],
)
def test_the_last_word_of_a_pathway_stands_until_it_has_another(words: list[Said], is_positive: bool) -> None:
    (first,) = make_exam("a", 0).history
    exam = Exam("a", at(0), tuple(replace(first, at=at(n), said={"stroke": word}) for n, word in enumerate(words)))
    assert [exam.flagged_by(None), exam.flagged_by("stroke")] == [is_positive, is_positive]


def test_a_week_is_that_in_which_the_exam_came() -> None:
    found = figures(EXAMS, (), UTC)

    assert by_name(found, week="2026-W45")["lost_by_rest"].minutes == 23
    assert by_name(found, week="2026-W46")["lost_by_rest"].minutes == 1
    assert {one.week for one in found} == {None, "2026-W45", "2026-W46"}


def test_days_and_weeks_are_those_of_the_site() -> None:
    sunday_evening = at(-9.5 * 60)  # half past ten in UTC, half past eleven in Brussels; Monday is near
    assert week_of(sunday_evening, ZoneInfo("Europe/Brussels")) == "2026-W44"
    assert week_of(sunday_evening, ZoneInfo("Asia/Tokyo")) == "2026-W45"


def test_stat_orders_stand_apart_with_what_was_shown_when_they_were_opened() -> None:
    exams = [
        compared(make_exam("shown", 0, flagged=5, tier=STAT), 5, 0),
        compared(make_exam("too late", 0, flagged=6, tier=STAT), 5, 0),
        compared(make_exam("never", 0, tier=STAT), 5, 0),
        compared(make_exam("no stat", 0, flagged=1, tier=ROUTINE), 5, 0),
    ]
    (stroke,) = before_first_open(exams, UTC)

    assert (stroke.pathway, stroke.exams, stroke.with_answer) == ("stroke", 3, 1)
    assert stroke.share == Interval(1 / 3, None, None)  # of one day


def test_a_share_is_that_of_exams_with_an_interval_from_days() -> None:
    exams = [
        compared(make_exam(f"{day}/{n}", DAY * day + n), DAY * day + 60, 0, followed=n < day % 4)
        for day in range(8)
        for n in range(3)
    ]
    found = share_of(exams, [one for one in exams if one.followed], UTC)

    assert found == share_over_days([0, 1, 2, 3] * 2, [3] * 8)
    assert found is not None
    assert found.low is not None


def cost(spent: list[float | None], saved: list[float]) -> tuple[float | None, Interval | None]:
    exams = [
        compared(make_exam(f"e{n}", DAY * n, flagged=DAY * n + 1), DAY * n + 5, minutes)
        for n, minutes in enumerate(saved)
    ]
    (found,) = costs({"stroke": spent}, figures(exams, (), UTC))
    return found.cost, found.per_minute_saved


def test_a_minute_saved_costs_what_all_answers_cost_over_what_they_saved() -> None:
    assert cost([0.5, 0.25, 0.25], [3.0, 2.0]) == (1.0, Interval(0.2, None, None))
    total, per_minute = cost([0.5] * 12, [8.0, 9.0, 10.0, 11.0, 12.0, 10.0])
    assert (total, per_minute and per_minute.estimate) == (6.0, 0.1)
    assert per_minute is not None
    assert per_minute.low is not None
    assert per_minute.high is not None
    assert per_minute.low < 0.1 < per_minute.high


def test_nothing_saved_or_an_answer_without_a_price_has_no_cost_of_a_minute() -> None:
    assert cost([0.5], [-3.0, 2.0]) == (0.5, None)
    assert cost([0.5, None], [3.0, 2.0]) == (None, None)


def test_where_it_may_be_that_nothing_was_saved_the_cost_has_no_upper_end() -> None:
    _, per_minute = cost([1.0], [60.0, -50.0, 40.0, -30.0, 20.0, -10.0])
    assert per_minute is not None
    assert per_minute.high is None


def test_every_measure_is_there_for_every_pathway_and_week() -> None:
    found = figures(EXAMS, (), UTC)
    assert len(found) == len(Measure) * 3 * 3
