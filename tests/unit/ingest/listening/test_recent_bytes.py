"""What a sender has sent counts less and less, and is the same for all processes."""

from __future__ import annotations

import mmap
from math import e

import pytest

from ingest.listening.recent_bytes import BUCKETS, MEMORY_SECONDS, TABLE_BYTES, RecentBytes, sender_number

ONE, TWO = 1, 2


class Seconds:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def sent(seconds: Seconds) -> RecentBytes:
    return RecentBytes(seconds=seconds)


def test_of_nobody_nothing_is_known(sent: RecentBytes) -> None:
    assert sent.add(ONE, 0) == 0.0


def test_each_sender_has_a_count_of_its_own(sent: RecentBytes) -> None:
    sent.add(ONE, 100)
    sent.add(TWO, 30)
    assert [sent.add(ONE, 5), sent.add(TWO, 0)] == [105.0, 30.0]


def test_what_was_sent_fades(sent: RecentBytes, seconds: Seconds) -> None:
    sent.add(ONE, 1000)
    seconds.now += MEMORY_SECONDS
    assert sent.add(ONE, 1000) == pytest.approx(1000 / e + 1000)
    seconds.now += MEMORY_SECONDS
    assert sent.add(ONE, 0) == pytest.approx(1000 / e**2 + 1000 / e)


def test_at_a_steady_rate_it_comes_to_rest_at_what_the_rate_gives_in_the_memory(
    sent: RecentBytes, seconds: Seconds
) -> None:
    total = 0.0
    for _ in range(10 * int(MEMORY_SECONDS)):
        seconds.now += 1.0
        total = sent.add(ONE, 2000)
    assert total == pytest.approx(2000 * MEMORY_SECONDS, rel=0.01)


def test_what_the_processes_saw_is_counted_together(seconds: Seconds) -> None:
    shared = mmap.mmap(-1, 3 * TABLE_BYTES)
    processes = [RecentBytes(shared, number, seconds) for number in range(3)]
    for process in processes:
        process.add(ONE, 100)
    assert [process.add(ONE, 0) for process in processes] == [300.0, 300.0, 300.0]


def test_a_process_that_was_killed_and_replaced_has_forgotten_nothing(seconds: Seconds) -> None:
    shared = mmap.mmap(-1, 2 * TABLE_BYTES)
    RecentBytes(shared, 1, seconds).add(ONE, 100)
    assert RecentBytes(shared, 1, seconds).add(ONE, 0) == 100.0


def test_any_number_of_senders_takes_the_same_room(sent: RecentBytes) -> None:
    for sender in range(3 * BUCKETS):
        sent.add(sender, 1)
    assert sent.add(2**32 - 1, 0) == 3.0


def test_a_sender_is_a_title_at_an_address() -> None:
    numbers = {sender_number(title, address) for title in ("CT1", "CT2") for address in ("10.0.0.1", "10.0.0.2")}
    assert len(numbers) == 4
    assert sender_number("CT1", "10.0.0.1") in numbers
