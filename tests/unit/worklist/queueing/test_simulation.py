"""The simulation beside theory, the published table of late answers, and itself."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from scipy import stats

from tests.unit.worklist.queueing.rooms import GROUPS, INTERRUPTED, VECTORS, make_pathway, make_room
from worklist.queueing.exams import Arrival, draw_exams
from worklist.queueing.intervals import BATCHES, CONFIDENCE, ratio_interval
from worklist.queueing.predicting import predict
from worklist.queueing.scenario import Scenario
from worklist.queueing.simulation import replay, simulate, waits_without_and_with

ROOMS = [(vector.name, vector.room) for vector in VECTORS] + [("interrupted", INTERRUPTED)]
# reference/queueing.md: diseased wait by minutes of latency; None is without AI.
DELAYS = (None, 0, 1, 2, 5, 10, 15, 30, 60)
TABLE = {
    1: (39.57, 13.03, 13.56, 14.10, 15.60, 17.91, 19.97, 25.16, 31.71),
    2: (17.56, 5.78, 6.21, 6.66, 7.90, 9.69, 11.14, 14.06, 16.56),
}


@pytest.mark.parametrize("room", [room for _, room in ROOMS], ids=[name for name, _ in ROOMS])
def test_theory_lies_within_the_intervals(room: Scenario) -> None:
    theory, found = predict(room).overall, simulate(room, 30_000, seed=1).overall.waits
    for group in GROUPS:
        interval, expected = found[group], theory[group]
        assert interval is not None
        assert expected is not None
        assert interval.low <= expected <= interval.high, group


def test_longer_readings_of_false_positives_are_simulated_as_theory_has_them() -> None:
    room = make_room(make_pathway(reading_minutes_false_positive=14.0), readers=1, traffic=0.6)
    theory, found = predict(room).overall, simulate(room, 30_000, seed=1).overall.waits
    for group in ("wait_without", "wait_positive", "wait_negative"):
        interval = found[group]
        assert interval is not None
        assert interval.low <= (theory[group] or 0) <= interval.high


@pytest.mark.parametrize("readers", [1, 2])
def test_table_of_late_answers(readers: int) -> None:
    room = make_room(readers=readers)
    found = []
    for delay in DELAYS:
        late = replace(room, pathways=(make_pathway(latency_minutes=float(delay or 0)),))
        simulation = simulate(late, 60_000, seed=1)
        group = "wait_without" if delay is None else "wait_diseased"
        found.append(simulation.overall.waits[group])
    for interval, published in zip(found, TABLE[readers], strict=True):
        assert interval is not None
        assert abs(interval.estimate - published) <= interval.high - interval.estimate + 0.02 * published
    means = [interval.estimate for interval in found[1:] if interval is not None]
    assert means == sorted(means), "the saving falls as answers come later"


def test_answers_that_come_at_once_are_those_without_delay_and_endless_ones_are_first_come() -> None:
    room = make_room()
    exams = draw_exams(room, 3000, Random(3))
    without, at_once = waits_without_and_with(room, exams)
    soon = replace(room, pathways=(make_pathway(latency_minutes=1e-9),))
    never = replace(room, pathways=(make_pathway(latency_minutes=1e9),))
    assert waits_without_and_with(soon, exams)[1] == pytest.approx(at_once)
    assert waits_without_and_with(never, exams)[1] == without


def test_late_answers_of_one_pathway_take_no_longer_readings_from_another() -> None:
    lung = make_pathway(name="lung", share=0.5, reading_minutes_false_positive=60.0)
    silent = make_pathway(name="silent", share=0.5, sensitivity=0.0, false_positive_fraction=0.0)
    room = make_room(lung, silent, traffic=0.6)
    late = replace(room, pathways=(lung, replace(silent, latency_minutes=5.0)))
    exams = draw_exams(room, 3000, Random(3))
    assert waits_without_and_with(late, exams) == waits_without_and_with(room, exams)


def test_same_seed_gives_the_same_and_another_seed_does_not() -> None:
    room = make_room()
    assert simulate(room, 1000, seed=5) == simulate(room, 1000, seed=5)
    assert simulate(room, 1000, seed=5) != simulate(room, 1000, seed=6)


def test_ratio_interval_counted_by_hand() -> None:
    found = ratio_interval([9.0, 11.0] * 10, [1.0] * 20)
    assert found is not None
    assert found.estimate == 10.0
    # Standard deviation of the batches √(20/19), standard error that / √20.
    assert found.high - 10.0 == pytest.approx(2.860935 / 19**0.5)
    assert ratio_interval([0.0] * 20, [0.0] * 20) is None


def test_quantile_is_that_of_student() -> None:
    found = ratio_interval([9.0, 11.0] * 10, [1.0] * 20)
    assert found is not None
    quantile = float(stats.t.ppf(0.5 + CONFIDENCE / 2, BATCHES - 1))
    assert (found.high - 10.0) * 19**0.5 == pytest.approx(quantile, rel=1e-6)


def test_intervals_hold_the_truth_nearly_always() -> None:
    room = make_room(traffic=0.5)
    truth = predict(room).overall["wait_without"] or 0.0
    found = [simulate(room, 4000, seed).overall.waits["wait_without"] for seed in range(40)]
    assert sum(interval is not None and interval.low <= truth <= interval.high for interval in found) >= 37


def test_arrivals_follow_the_hours_of_the_day() -> None:
    by_hour = [0.0] * 8 + [3.0] * 8 + [1.0] * 7 + [0.0]
    exams = draw_exams(make_room(), 20_000, Random(1), by_hour)
    counts = [0] * 24
    for at in exams.arrivals:
        counts[int(at % 1440 // 60)] += 1
    assert sum(counts[:8]) == counts[23] == 0
    assert sum(counts[8:16]) / 20_000 == pytest.approx(24 / 31, abs=0.015)


def test_even_profile_is_none() -> None:
    room = make_room()
    even, bent = draw_exams(room, 500, Random(1)), draw_exams(room, 500, Random(1), [2.0] * 24)
    assert bent.arrivals == pytest.approx(even.arrivals)


def test_busy_hours_make_the_waits_longer() -> None:
    profile = simulate(make_room(), 20_000, 1, [1.0] * 12 + [3.0] * 12).overall.waits["wait_without"]
    even = simulate(make_room(), 20_000, 1).overall.waits["wait_without"]
    assert profile is not None
    assert even is not None
    assert profile.low > even.high


def test_file_that_tells_all_is_replayed_as_counted_by_hand() -> None:
    told = [(0.0, 10.0, False), (1.0, 10.0, False), (2.0, 4.0, False), (3.0, 3.0, False), (4.0, 2.0, True)]
    arrivals = [
        Arrival(at, pathway=0, interrupting=False, diseased=flag, flagged=flag, reading_minutes=minutes)
        for at, minutes, flag in told
    ]
    found = replay(make_room(), arrivals, seed=1)
    diseased, others = found.overall.waits["wait_diseased"], found.overall.waits["wait_nondiseased"]
    assert diseased is not None
    assert others is not None
    assert (diseased.estimate, diseased.low, diseased.high) == (6.0, 6.0, 6.0)
    assert others.estimate == pytest.approx(18 / 4)
    saved = found.overall.saved["saved_diseased"]
    assert saved is not None
    assert saved.estimate == pytest.approx(4.0)


def test_what_a_file_does_not_tell_is_drawn() -> None:
    found = replay(make_room(), [Arrival(float(minute * 6)) for minute in range(200)], seed=1)
    diseased = found.overall.waits["wait_diseased"]
    assert diseased is not None
    assert diseased.low < diseased.estimate < diseased.high
