"""Several workers in one group: nothing is lost or doubled when one is killed, and the work is really shared."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from kafka.partitioner.default import murmur2

from tests.e2e.workers_world import SERIES, workers_world
from tests.neighbours.embedded import embedded_missing
from tests.neighbours.starting import wait_until
from voorrang.topics import SERIES_COMPLETED_ROUTINE, SERIES_COMPLETED_URGENT, Topic

N_STUDIES = 16


@pytest.mark.e2e
@pytest.mark.skipif(bool(embedded_missing()), reason=embedded_missing() or "there")
def test_of_two_workers_one_is_killed_and_restarted_and_every_study_is_scored_once(tmp_path: Path) -> None:
    with workers_world(tmp_path) as world:
        world.start("one", "two")
        world.put(N_STUDIES, sleep_seconds=0.2)
        wait_until(lambda: world.answered() >= 3, 60.0, "the first answers")
        world.kill("one")
        world.start("one")
        wait_until(lambda: world.answered() == N_STUDIES, 120.0, "every study to be answered")
        once = dict.fromkeys((f"{SERIES}.{number}" for number in range(N_STUDIES)), 1)
        assert world.results() == world.told() == once


@pytest.mark.parametrize("topic", [SERIES_COMPLETED_URGENT, SERIES_COMPLETED_ROUTINE], ids=lambda topic: topic.name)
def test_two_workers_have_at_least_1_6_times_the_throughput_of_one_by_counted_work(topic: Topic) -> None:
    """
    Each worker reads half of the partitions, and each study takes one unit of time at a model that sleeps.

    A key goes to its partition as Kafka's own clients do it. Over 200 days of 200 studies; three partitions, as the
    other topics have, would give at most 1.5: two of them for one worker.
    """
    assert min(_throughput(day, topic.partitions) for day in range(200)) >= 1.6
    assert min(_throughput(day, 3) for day in range(200)) < 1.6


def _throughput(day: int, partitions: int) -> float:
    """Return studies per unit of time with two workers; with one it is 1."""
    keys = [f"1.2.826.0.1.3680043.8.498.{day}.{number}" for number in range(200)]
    work = Counter((murmur2(key.encode()) & 0x7FFFFFFF) % partitions < -(-partitions // 2) for key in keys)
    return len(keys) / max(work.values())
