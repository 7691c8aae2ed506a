"""Walks every metric: our prefix, base units, closed labels."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from prometheus_client import Counter, Gauge, Histogram

from voorrang import metrics

Metric = Counter | Gauge | Histogram
# Closed sets all: topics, consumers, services and their tasks, pathways, lanes and models of ours (these with version,
# weights and operating point), states, tiers, coded reasons.
LABELS = {
    "channel",
    "topic",
    "consumer",
    "service",
    "task",
    "reason",
    "outcome",
    "pathway",
    "action",
    "partial",
    "lane",
    "model",
    "version",
    "weights",
    "operating_point",
    "state",
    "tier",
    "device",
}
OTHER_UNITS = re.compile(r"_(ms|milliseconds|minutes|hours|days|us|kb|mb|kilobytes|megabytes|percent)(_|$)")
TIME_WORDS = re.compile(r"age|latency|duration|from .* to ", re.IGNORECASE)


def declared() -> Iterator[tuple[str, Metric]]:
    for name, value in vars(metrics).items():
        if isinstance(value, Counter | Gauge | Histogram):
            yield name, value


ALL = dict(declared())


def name_of(metric: Metric) -> str:
    return next(iter(metric.describe())).name


def test_there_are_metrics_to_walk() -> None:
    assert len(ALL) > 15


@pytest.mark.parametrize("metric", ALL.values(), ids=ALL.keys())
def test_metric_has_our_prefix_and_a_sentence(metric: Metric) -> None:
    described = next(iter(metric.describe()))

    assert re.fullmatch(r"voorrang_[a-z]+(_[a-z]+)*", described.name)
    assert described.documentation


@pytest.mark.parametrize("metric", ALL.values(), ids=ALL.keys())
def test_metric_is_in_base_units(metric: Metric) -> None:
    assert OTHER_UNITS.search(name_of(metric)) is None
    if isinstance(metric, Histogram) or TIME_WORDS.search(next(iter(metric.describe())).documentation):
        assert name_of(metric).endswith("_seconds")


@pytest.mark.parametrize("metric", ALL.values(), ids=ALL.keys())
def test_labels_are_of_closed_sets(metric: Metric) -> None:
    assert set(metric._labelnames) <= LABELS


def test_no_two_metrics_share_a_name() -> None:
    names = [name_of(metric) for metric in ALL.values()]

    assert len(set(names)) == len(names)


def test_buckets_hold_the_promises_of_the_pathways() -> None:
    assert {180.0, 900.0} <= set(metrics.WAIT_BUCKETS_SECONDS)
    assert list(metrics.WAIT_BUCKETS_SECONDS) == sorted(metrics.WAIT_BUCKETS_SECONDS)
