"""Figures of `bench ingest-crowd`: how much longer the large study takes, and that nothing was refused or lost."""

from __future__ import annotations

from typing import Any

from voorrang.bench.crowd import ALONE, BURST, PACED, SATURATED, URGENT, crowd_figures
from voorrang.bench.names import DCMTK_FORK, DURABLE


def row(scenario: str, receiver: str, seconds: float, **more: Any) -> dict[str, Any]:
    return {"scenario": scenario, "receiver": receiver, "seconds": seconds, "problem": "", **more}


def test_the_crowded_study_is_compared_with_the_same_alone() -> None:
    rows = [row(ALONE, DURABLE, seconds) for seconds in (1.0, 2.0, 9.0)]
    rows += [row(PACED, DURABLE, seconds) for seconds in (3.0, 5.0)]

    assert crowd_figures(rows)["large_study_crowded_to_alone"] == 2.0


def test_the_saturated_study_is_compared_with_the_peer_in_the_same_crowd() -> None:
    rows = [row(SATURATED, DURABLE, 12.0), row(SATURATED, DCMTK_FORK, 10.0)]

    assert crowd_figures(rows)["saturated_to_dcmtk_fork"] == 1.2


def test_a_burst_is_compared_with_the_peer_in_a_burst() -> None:
    rows = [row(SATURATED, DURABLE, 2.0), row(SATURATED, DCMTK_FORK, 20.0)]
    rows += [row(URGENT, DURABLE, 3.0), row(BURST, DURABLE, 12.0), row(BURST, DCMTK_FORK, 10.0)]

    figures = crowd_figures(rows)

    assert (figures["urgent_burst_to_dcmtk_fork"], figures["burst_to_dcmtk_fork"]) == (0.3, 1.2)
    assert figures["saturated_to_dcmtk_fork"] == 0.1


def test_what_our_listener_refused_or_lost_is_summed() -> None:
    rows = [
        row(PACED, DURABLE, 1.0, refused_associations=1, lost_associations=0, lost_instances=2),
        row(SATURATED, DURABLE, 1.0, refused_associations=1, lost_associations=1, lost_instances=0),
        row(SATURATED, DCMTK_FORK, 1.0, refused_associations=9, lost_associations=9, lost_instances=9),
    ]

    figures = crowd_figures(rows)

    assert (figures["refused_associations"], figures["lost_associations"], figures["lost_instances"]) == (2, 1, 2)


def test_nothing_measured_gives_no_zero_that_looks_like_a_result() -> None:
    assert "lost_instances" not in crowd_figures([])
