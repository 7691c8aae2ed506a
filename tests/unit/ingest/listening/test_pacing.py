"""A sender with a rate gets its answers no faster; the others do not notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.listening.configuration import ListenerConfiguration, Sender
from ingest.listening.pacing import Pacer
from voorrang.purpose import Purpose

TOLD = ListenerConfiguration(
    host="127.0.0.1",
    port=0,
    archive_dir=Path("archive"),
    secret_file=Path("secret"),
    called_ae_titles={"VOORRANG": Purpose.CLINICAL},
    senders={"SLOW": Sender(max_instances_per_second=4.0), "OTHER": Sender(max_instances_per_second=1.0)},
)


class Waiting:
    """A clock that goes forward when somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def pause(self, seconds: float) -> None:
        """Wait."""
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


@pytest.fixture
def pacer(waiting: Waiting) -> Pacer:
    return Pacer(TOLD, waiting.pause, lambda: waiting.now)


def test_answers_to_a_sender_with_a_rate_are_spread_evenly(pacer: Pacer, waiting: Waiting) -> None:
    for _ in range(9):
        pacer.wait("SLOW")
    assert waiting.waits == [0.25] * 8
    assert waiting.now == 102.0


def test_whoever_is_slower_than_the_rate_never_waits_and_saves_nothing_up(pacer: Pacer, waiting: Waiting) -> None:
    for _ in range(5):
        pacer.wait("SLOW")
        waiting.now += 10.0
    assert waiting.waits == []
    pacer.wait("SLOW")
    pacer.wait("SLOW")
    assert waiting.waits == [0.25]


def test_a_sender_without_a_rate_never_waits(pacer: Pacer, waiting: Waiting) -> None:
    for _ in range(100):
        pacer.wait("SCANNER")
    assert waiting.waits == []


def test_each_sender_has_a_schedule_of_its_own(pacer: Pacer, waiting: Waiting) -> None:
    pacer.wait("SLOW")
    pacer.wait("OTHER")
    assert waiting.waits == []
    pacer.wait("OTHER")
    assert waiting.waits == [1.0]


def test_two_associations_of_one_sender_share_its_rate(waiting: Waiting) -> None:
    pacer = Pacer(TOLD, waiting.waits.append, lambda: waiting.now)  # nobody's wait has passed yet
    for _ in range(3):
        pacer.wait("SLOW")
    assert waiting.waits == [0.25, 0.5]
