"""An association goes first while it sends at full speed, counts what it sends, and gives way at its pace."""

from __future__ import annotations

import pytest

from ingest.listening.passage import EVERY_SECONDS, Passage
from ingest.listening.recent_bytes import RecentBytes
from ingest.listening.right_of_way import GIVE_SECONDS, HOLD_SECONDS, MARGIN_BYTES, Claim, RightOfWay

SCANNER, COPYING, EMERGENCY = 1, 2, 3
SLICE_BYTES = 500_000
MUCH_BYTES = int(3 * MARGIN_BYTES)


class Door:
    """A process of the listener and its clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.way = RightOfWay(seconds=lambda: self.now)
        self.recent_bytes = RecentBytes(lambda: self.now)

    def passage(self, sender: int, *, is_urgent: bool = False) -> Passage:
        """Open an association."""
        return Passage(self.way, self.recent_bytes, sender, is_urgent)

    def pause(self, seconds: float) -> bool:
        """Wait."""
        self.now += seconds
        return False

    def send(
        self, passage: Passage, *, gap: float = 0.002, takes: float = 0.004, size_bytes: int = SLICE_BYTES
    ) -> float:
        """Let an instance come so long after the last answer; return how long its answer waited."""
        self.now += gap
        passage.begin(self.now)
        self.now += takes
        return passage.end(self.now, size_bytes, self.pause)

    def is_free_for(self, sender: int) -> bool:
        """Tell whether an answer to a sender who has sent very much would not wait now."""
        waited: list[float] = []

        def once(seconds: float) -> bool:
            waited.append(seconds)
            return True

        self.way.give(Claim(1e12, sender), once)
        return not waited


@pytest.fixture
def door() -> Door:
    return Door()


def test_the_first_instance_has_no_right_the_second_at_full_speed_has(door: Door) -> None:
    scanner = door.passage(SCANNER)
    door.send(scanner)
    assert door.is_free_for(COPYING)
    door.send(scanner)
    assert not door.is_free_for(COPYING)


@pytest.mark.parametrize(("gap", "has_it"), [(HOLD_SECONDS * 0.9, True), (HOLD_SECONDS * 1.1, False)])
def test_who_has_a_pace_of_its_own_keeps_nobody(door: Door, gap: float, has_it: bool) -> None:
    scanner = door.passage(SCANNER)
    for _ in range(5):
        door.send(scanner, gap=gap)
    assert door.is_free_for(COPYING) is not has_it


def test_an_urgent_one_has_it_from_its_first_fragment_whatever_its_pace(door: Door) -> None:
    emergency = door.passage(EMERGENCY, is_urgent=True)
    emergency.begin(door.now)
    assert not door.is_free_for(COPYING)


def test_it_is_held_through_a_long_instance_whose_fragments_come_fast(door: Door) -> None:
    scanner = door.passage(SCANNER)
    door.send(scanner)
    scanner.begin(door.now)
    for _ in range(20):
        door.now += EVERY_SECONDS
        scanner.go_on(door.now)
        assert not door.is_free_for(COPYING)
    door.now += HOLD_SECONDS
    assert door.is_free_for(COPYING)


def test_who_copies_an_archive_gives_way_to_a_scanner_and_not_the_other_way_round(door: Door) -> None:
    copying, scanner = door.passage(COPYING), door.passage(SCANNER)
    door.send(copying, size_bytes=MUCH_BYTES)
    for _ in range(2):
        assert door.send(scanner) == 0.0
    assert 0.0 < door.send(copying) < GIVE_SECONDS


def test_a_scanner_that_has_sent_as_much_goes_first_no_more(door: Door) -> None:
    copying, scanner = door.passage(COPYING), door.passage(SCANNER)
    door.send(copying, size_bytes=MUCH_BYTES)
    for _ in range(2):
        door.send(scanner, size_bytes=MUCH_BYTES)
    assert door.send(copying, gap=EVERY_SECONDS) == 0.0


def test_what_was_sent_counts_on_the_next_association_too(door: Door) -> None:
    first = door.passage(COPYING)
    for _ in range(3):  # the last two within a moment: not looked at, but counted
        door.send(first, size_bytes=MUCH_BYTES // 3)
    first.leave()
    scanner = door.passage(SCANNER)
    for _ in range(2):
        door.send(scanner)
    assert door.send(door.passage(COPYING), takes=0.0) > 0.0


def test_who_has_waited_is_at_full_speed_all_the_same(door: Door) -> None:
    copying, scanner = door.passage(COPYING), door.passage(SCANNER)
    door.send(copying, size_bytes=MUCH_BYTES)
    for _ in range(2):
        door.send(scanner)
    assert door.send(copying) > 0.0
    door.now += HOLD_SECONDS / 2
    copying.begin(door.now)
    assert not door.is_free_for(SCANNER)


def test_after_its_end_nobody_waits(door: Door) -> None:
    emergency = door.passage(EMERGENCY, is_urgent=True)
    door.send(emergency)
    assert not door.is_free_for(COPYING)
    emergency.leave()
    assert door.is_free_for(COPYING)


def test_an_urgent_one_waits_for_nobody(door: Door) -> None:
    another, emergency = door.passage(SCANNER, is_urgent=True), door.passage(EMERGENCY, is_urgent=True)
    door.send(another, size_bytes=MUCH_BYTES)
    assert [door.send(emergency) for _ in range(3)] == [0.0, 0.0, 0.0]
