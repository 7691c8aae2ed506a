"""What theory says, beside published numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.worklist.queueing.rooms import (
    GROUPS,
    INTERRUPTED,
    INTERRUPTED_WAITS,
    VECTORS,
    Vector,
    make_pathway,
    make_room,
)
from worklist.queueing.predicting import predict
from worklist.queueing.reporting import predictive_values


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_vectors_without_interrupting_cases_are_the_closed_forms(vector: Vector) -> None:
    found = predict(vector.room).overall
    assert [found[group] for group in GROUPS] == pytest.approx(vector.preemptive, abs=1e-5)
    if vector.non_preemptive:
        found = predict(replace(vector.room, preemptive=False)).overall
        assert [found[group] for group in GROUPS] == pytest.approx(vector.non_preemptive, abs=1e-5)


def test_interrupted_vector_is_exact_where_it_is_exact_and_near_where_it_breaks_conservation() -> None:
    prediction = predict(INTERRUPTED)
    without, diseased, nondiseased, positive, negative = (prediction.overall[group] for group in GROUPS)
    assert prediction.methods["wait_positive"] == "exact Markov chain"
    assert without == pytest.approx(INTERRUPTED_WAITS[0], abs=1e-5)
    assert positive == pytest.approx(INTERRUPTED_WAITS[3], abs=1e-5)
    assert (diseased, nondiseased, negative) == pytest.approx(
        (INTERRUPTED_WAITS[1], INTERRUPTED_WAITS[2], INTERRUPTED_WAITS[4]), rel=0.005
    )
    # What reference/queueing.md gives for the exact chain.
    assert (diseased, negative) == pytest.approx((2.5726, 22.2147), abs=5e-5)


def test_interrupted_vector_keeps_conservation_and_the_published_approximation_does_not() -> None:
    found = predict(INTERRUPTED).overall
    assert found["wait_positive"] is not None
    assert found["wait_negative"] is not None
    assert 0.18 * found["wait_positive"] + 0.82 * found["wait_negative"] == pytest.approx(found["wait_without"])
    published = 0.18 * INTERRUPTED_WAITS[3] + 0.82 * INTERRUPTED_WAITS[4]
    assert published == pytest.approx(18.242, abs=5e-4)  # where 18.286 would be conserved


def test_published_example_of_the_manual() -> None:
    found = predict(INTERRUPTED).overall
    assert [round(found[group] or 0, 2) for group in ("wait_without", "wait_diseased", "wait_positive")] == [
        18.29,
        2.57,
        0.39,
    ]
    assert found["wait_negative"] == pytest.approx(22.16, rel=0.005)
    values = predictive_values(INTERRUPTED, INTERRUPTED.parts)
    assert values == pytest.approx({"ppv": 0.5, "npv": 0.9878}, abs=5e-5)


@pytest.mark.parametrize(
    ("readers", "diseased", "positive", "negative"),
    [(1, 13.0841, 9.3458, 46.7290), (2, 5.8152, 4.1537, 20.7684), (3, 3.5283, 2.5202, 12.6011)],
)
def test_non_preemptive_table(readers: int, diseased: float, positive: float, negative: float) -> None:
    found = predict(make_room(readers=readers)).overall
    assert (found["wait_diseased"], found["wait_positive"], found["wait_negative"]) == pytest.approx(
        (diseased, positive, negative), abs=5e-5
    )


def test_unequal_reading_times_of_one_reader() -> None:
    room = make_room(make_pathway(reading_minutes_diseased=15.0), readers=1)
    found = predict(room).overall
    assert (found["wait_without"], found["wait_diseased"]) == pytest.approx((42.857143, 14.482759), abs=1e-6)
    preemptive = predict(replace(room, preemptive=True))
    assert preemptive.overall["wait_diseased"] == pytest.approx(7.801262, abs=1e-6)
    # By hand: the missed tenth waits 51.724138 + 15 · 0.206897, the flagged 2.689655.
    assert preemptive.own_reading_diseased == pytest.approx(7.903448, abs=1e-6)


@pytest.mark.parametrize(("flagged", "preemptive"), [(1 / 6, False), (4 / 29, True)])
def test_an_untargeted_bleed_waits_24_minutes_longer(flagged: float, preemptive: bool) -> None:
    """One reader, 30-minute reads, traffic 0.8; the load that is flagged, which the published example leaves open."""
    targeted = make_pathway(
        name="targeted",
        share=0.5,
        prevalence=2 * flagged / 0.8,
        sensitivity=1.0,
        false_positive_fraction=0.0,
        reading_minutes=30.0,
        reading_minutes_diseased=30.0,
        reading_minutes_false_positive=30.0,
    )
    untargeted = replace(targeted, name="bleed", prevalence=0.2, sensitivity=0.0)
    prediction = predict(make_room(targeted, untargeted, readers=1, preemptive=preemptive))
    longer = (prediction.by_pathway[1]["wait_diseased"] or 0) - (prediction.overall["wait_without"] or 0)
    assert longer == pytest.approx(24.0)


def test_longer_readings_of_false_positives_add_to_the_traffic_with_ai_alone() -> None:
    room = make_room(make_pathway(reading_minutes_false_positive=14.0), readers=1)
    # 0.09 of the exams take 4 minutes more.
    assert room.traffic_with_ai == pytest.approx(0.8 * 10.36 / 10)
    found = predict(room).overall
    assert found["wait_without"] == pytest.approx(40.0)
    # By hand: residual work 0.08 · (0.09·14² + 0.91·10²), load of the flagged 0.08 · (0.09·14 + 0.09·10).
    assert found["wait_positive"] == pytest.approx(0.08 * 108.64 / (1 - 0.08 * 2.16))


def test_flagged_of_a_higher_priority_wait_less_and_all_keep_the_sum() -> None:
    first = make_pathway(name="first", share=0.4, priority=1)
    second = make_pathway(name="second", share=0.6, priority=2)
    prediction = predict(make_room(first, second, readers=3))
    one, two = (waits["wait_positive"] or 0 for waits in prediction.by_pathway)
    equal = predict(make_room(first, replace(second, priority=1), readers=3)).by_pathway[0]["wait_positive"] or 0
    assert one < equal < two
    overall = prediction.overall
    assert 0.18 * (overall["wait_positive"] or 0) + 0.82 * (overall["wait_negative"] or 0) == pytest.approx(
        overall["wait_without"]
    )


@pytest.mark.parametrize(
    "room",
    [
        make_room(make_pathway(reading_minutes_diseased=15.0)),
        make_room(interrupting_fraction=0.1),
        make_room(make_pathway(latency_minutes=5.0), readers=1),
    ],
    ids=["unequal-readings-of-two-readers", "interrupting-but-not-interrupted", "late-answers"],
)
def test_where_no_exact_form_is_known_none_is_given(room: object) -> None:
    prediction = predict(room)  # type: ignore[arg-type]
    assert prediction.overall["wait_diseased"] is None
    assert prediction.methods["wait_diseased"] == "none"


def test_late_answers_leave_the_wait_without_ai_known() -> None:
    found = predict(make_room(make_pathway(latency_minutes=5.0), readers=1)).overall
    assert found["wait_without"] == pytest.approx(40.0)


def test_nobody_flagged_has_no_wait_of_the_flagged() -> None:
    found = predict(make_room(make_pathway(sensitivity=0.0, false_positive_fraction=0.0))).overall
    assert found["wait_positive"] is None
    assert found["wait_negative"] == pytest.approx(found["wait_without"])


def test_all_interrupting_leaves_nobody_to_wait_behind() -> None:
    assert set(predict(make_room(interrupting_fraction=1.0)).overall.values()) == {None}
