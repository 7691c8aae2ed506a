"""The order at work: who waits, through busy hours and a week of nights and days."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import pytest

from tests.unit.worklist.plain_orders import by_arrival, flag_first
from tests.unit.worklist.reading_week import Exam, make_exams, read
from worklist.ordering.places import PlaceClass, SortKey, sort_key

CAPS = {"stat": 30.0, "urgent": 60.0, "routine": 120.0}
MEAN_READING = 0.4 * 8 + 0.6 * 12


def cap(exam: Exam) -> float:
    return CAPS[exam.tier]


def ours(exam: Exam, expired: bool) -> SortKey:
    return sort_key(exam.tier, exam.lifts, exam.arrived_at, exam.name, expired=expired)


def arrival(exam: Exam, expired: bool) -> SortKey:
    del expired
    return by_arrival(exam.tier, exam.arrived_at, exam.name)


def flags(exam: Exam, expired: bool) -> SortKey:
    del expired
    return flag_first(exam.tier, bool(exam.lifts), exam.arrived_at, exam.name)


@pytest.mark.parametrize("load", [0.8, 1.3])
def test_no_expired_exam_waits_behind_a_younger_or_unexpired_one_of_its_tier_save_the_hour_rule(load: float) -> None:
    seen = 0

    def look(now: float, key: SortKey, opened: Exam, waiting: Sequence[tuple[SortKey, Exam, bool]]) -> None:
        nonlocal seen
        is_expired = now >= opened.at + cap(opened)
        for other_key, other, other_expired in waiting:
            if not other_expired or other_key.tier != key.tier or other_key.place_class is PlaceClass.QUICK:
                continue
            seen += 1
            within_the_hour = key.tier == 0 or any(lift.is_quick for lift in opened.lifts)
            assert within_the_hour or (is_expired and opened.at <= other.at)

    exams = make_exams(7, 4000, lambda _: MEAN_READING / (2 * load))
    waits = read(exams, lambda _: 2, ours, cap, look)

    assert len(waits) == len(exams)
    assert seen > 0


@pytest.fixture(scope="module", params=[1, 2, 3])
def week(request: pytest.FixtureRequest) -> dict[str, tuple[list[Exam], dict[str, float]]]:
    """A week in each order: three readers and many exams by day, one reader and few at night."""

    def is_day(at: float) -> bool:
        return 8 * 60 <= at % 1440 < 18 * 60

    exams = make_exams(
        request.param, 7 * 1440, lambda at: MEAN_READING / (3 * 0.9) if is_day(at) else MEAN_READING / 0.6
    )
    rules = {"ours": ours, "arrival": arrival, "flags": flags}
    return {
        name: (exams, read(exams, lambda at: 3 if is_day(at) else 1, rule, cap, None)) for name, rule in rules.items()
    }


def test_true_positives_wait_less_than_with_flags_first_or_by_arrival(
    week: dict[str, tuple[list[Exam], dict[str, float]]],
) -> None:
    means = {name: fmean(waits[e.name] for e in exams if e.is_true) for name, (exams, waits) in week.items()}

    assert means["ours"] < means["flags"] < means["arrival"]


def test_worst_routine_wait_is_at_most_a_quarter_longer_than_by_arrival(
    week: dict[str, tuple[list[Exam], dict[str, float]]],
) -> None:
    worst = {name: max(waits[e.name] for e in exams if e.tier == "routine") for name, (exams, waits) in week.items()}

    assert worst["ours"] <= 1.25 * worst["arrival"]
