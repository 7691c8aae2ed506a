"""An association goes first while it sends at full speed, counts what it sends, and gives way at its pace."""

from __future__ import annotations

import mmap

import pytest

from ingest.listening.passage import (
    AGAIN_AFTER_SECONDS,
    ASK_EVERY_SECONDS,
    EVERY_SECONDS,
    LEAST_BYTES_PER_SECOND,
    TRIAL_SECONDS,
    Passage,
)
from ingest.listening.recent_bytes import TABLE_BYTES, RecentBytes
from ingest.listening.right_of_way import GIVE_SECONDS, HOLD_SECONDS, MARGIN_BYTES, SLOT_BYTES, Claim, RightOfWay

SCANNER, COPYING, EMERGENCY, OTHERS = 1, 2, 3, range(10, 20)
SLICE_BYTES = 500_000
MUCH_BYTES = int(3 * MARGIN_BYTES)


class Counted(RightOfWay):
    """Counts how often it is told."""

    said = 0

    def tell(self, who: int, claim: Claim, *, goes_first: bool = True) -> None:
        """Tell."""
        self.said += 1
        super().tell(who, claim, goes_first=goes_first)


class Door:
    """The processes of a listener, all on one clock."""

    def __init__(self, processes: int = 1) -> None:
        self.now = 100.0
        ways, tables = mmap.mmap(-1, processes * SLOT_BYTES), mmap.mmap(-1, processes * TABLE_BYTES)
        self.ways = [Counted(ways, number, lambda: self.now) for number in range(processes)]
        self.recent_bytes = [RecentBytes(tables, number, lambda: self.now) for number in range(processes)]
        self.matters = True

    def passage(self, sender: int, process: int = 0, *, is_urgent: bool = False) -> Passage:
        """Open an association."""
        return Passage(self.ways[process], self.recent_bytes[process], sender, is_urgent, lambda: self.matters)

    def crowd(self) -> None:
        """Have others at full speed, who go before nobody."""
        for sender in OTHERS:
            self.ways[0].tell(sender, Claim(1e12, sender), goes_first=False)

    def pause(self, seconds: float) -> bool:
        """Wait."""
        self.now += seconds
        return False

    def send(
        self,
        passage: Passage,
        *,
        gap: float = 0.002,
        takes: float = 0.004,
        bytes_: int = SLICE_BYTES,
        stored_in: float = 0.0,
    ) -> float:
        """Let an instance come so long after the last answer; return how long its answer waited."""
        self.now += gap
        passage.begin(self.now)
        self.now += takes
        passage.go_on(self.now, bytes_)
        self.now += stored_in
        return passage.end(self.now, self.pause)

    def send_for(self, passage: Passage, seconds: float, *, gap: float = 0.002, takes: float = 0.004) -> None:
        """Let instances come for so long."""
        until = self.now + seconds
        while self.now < until:
            self.send(passage, gap=gap, takes=takes)

    def is_free_for(self, sender: int) -> bool:
        """Tell whether an answer to a sender who has sent very much would not wait now."""
        waited: list[float] = []

        def once(seconds: float) -> bool:
            waited.append(seconds)
            return True

        self.crowd()
        self.ways[0].give(Claim(1e13, sender), once)
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
    for _ in range(200):
        door.now += EVERY_SECONDS
        scanner.go_on(door.now, int(EVERY_SECONDS * LEAST_BYTES_PER_SECOND * 1.1))
        assert not door.is_free_for(COPYING)
    door.now += HOLD_SECONDS
    assert door.is_free_for(COPYING)


def test_it_is_held_for_a_moment_after_an_instance_too(door: Door) -> None:
    scanner = door.passage(SCANNER)
    for _ in range(2):
        door.send(scanner, stored_in=HOLD_SECONDS * 2)
    assert not door.is_free_for(COPYING)


def test_the_next_command_that_comes_late_is_no_full_speed(door: Door) -> None:
    scanner = door.passage(SCANNER)
    for _ in range(2):
        door.send(scanner)
    door.now += HOLD_SECONDS * 1.1
    scanner.go_on(door.now, 100)
    assert door.is_free_for(COPYING)


@pytest.mark.parametrize("is_urgent", [False, True])
@pytest.mark.parametrize("fragment_bytes", [1_460, 131_072])
def test_who_brings_little_over_a_slow_line_has_it_for_a_trial_now_and_then(
    door: Door, is_urgent: bool, fragment_bytes: int
) -> None:
    slow = door.passage(SCANNER, is_urgent=is_urgent)
    bytes_per_second = 1e6
    kept, looks, came = 0, 0, 0
    until = door.now + 3 * (TRIAL_SECONDS + AGAIN_AFTER_SECONDS)
    while door.now < until:
        if came % 524_288 < fragment_bytes:
            slow.end(door.now, door.pause)
            slow.begin(door.now)
        door.now += fragment_bytes / bytes_per_second
        slow.go_on(door.now, fragment_bytes)
        came += fragment_bytes
        kept, looks = kept + (not door.is_free_for(COPYING)), looks + 1
    assert 0.02 < kept / looks < 0.08


def test_who_brings_much_keeps_it_after_its_trial(door: Door) -> None:
    scanner = door.passage(SCANNER)
    for _ in range(10):
        door.send_for(scanner, TRIAL_SECONDS)
        assert not door.is_free_for(COPYING)


def test_after_a_time_of_little_there_is_another_trial(door: Door) -> None:
    scanner = door.passage(SCANNER)
    door.send_for(scanner, 2 * TRIAL_SECONDS, gap=HOLD_SECONDS * 0.9)
    assert door.is_free_for(COPYING)
    door.send_for(scanner, AGAIN_AFTER_SECONDS + EVERY_SECONDS)
    assert not door.is_free_for(COPYING)


@pytest.mark.parametrize("processes", [1, 4])
def test_who_copies_an_archive_gives_way_to_a_scanner_and_not_the_other_way_round(processes: int) -> None:
    door = Door(processes)
    copying = [door.passage(COPYING, number % processes) for number in range(8)]
    scanner = door.passage(SCANNER)
    door.crowd()
    for one in copying:
        door.send(one, bytes_=MUCH_BYTES // 4)
    for _ in range(2):
        assert door.send(scanner, bytes_=MUCH_BYTES // 3) == 0.0  # more than each of the others, less than all
    assert 0.0 < door.send(copying[-1], gap=EVERY_SECONDS) <= GIVE_SECONDS


def test_a_scanner_that_has_sent_as_much_goes_first_no_more(door: Door) -> None:
    copying, scanner = door.passage(COPYING), door.passage(SCANNER)
    door.crowd()
    door.send(copying, bytes_=MUCH_BYTES)
    for _ in range(2):
        door.send(scanner, bytes_=MUCH_BYTES)
    assert door.send(copying, gap=EVERY_SECONDS) == 0.0


def test_nor_does_it_within_an_instance_that_is_as_large(door: Door) -> None:
    copying, scanner = door.passage(COPYING), door.passage(SCANNER)
    door.crowd()
    door.send(copying, bytes_=MUCH_BYTES)
    door.send(scanner)
    scanner.begin(door.now)
    door.now += EVERY_SECONDS
    scanner.go_on(door.now, MUCH_BYTES)
    assert door.send(copying, gap=EVERY_SECONDS) == 0.0


def test_what_was_sent_counts_on_the_next_association_too(door: Door) -> None:
    first = door.passage(COPYING)
    for size_bytes in (SLICE_BYTES, MUCH_BYTES):  # the second so soon after the first that nobody looks
        door.send(first, gap=0.001, takes=0.001, bytes_=size_bytes)
    first.leave()
    scanner = door.passage(SCANNER)
    door.crowd()
    for _ in range(2):
        door.send(scanner)
    assert door.send(door.passage(COPYING), takes=0.0) > 0.0


def test_what_it_waited_for_others_is_not_held_against_it(door: Door) -> None:
    copying, emergency = door.passage(COPYING), door.passage(EMERGENCY, is_urgent=True)
    for _ in range(30):
        emergency.begin(door.now)
        assert door.send(copying, gap=EVERY_SECONDS) > 0.0
    emergency.leave()
    door.send(copying)
    assert not door.is_free_for(SCANNER)


def test_who_has_waited_is_at_full_speed_all_the_same(door: Door) -> None:
    copying, emergency = door.passage(COPYING), door.passage(EMERGENCY, is_urgent=True)
    door.send(copying)
    door.send(emergency)
    assert door.send(copying) >= HOLD_SECONDS / 2
    emergency.leave()
    door.now += HOLD_SECONDS * 0.9
    copying.begin(door.now)
    door.now += HOLD_SECONDS * 0.9  # what was held since its end is over, had it not gone on
    assert not door.is_free_for(SCANNER)


def test_after_its_end_nobody_waits(door: Door) -> None:
    emergency = door.passage(EMERGENCY, is_urgent=True)
    door.send(emergency)
    assert not door.is_free_for(COPYING)
    emergency.leave()
    assert door.is_free_for(COPYING)


def test_an_urgent_one_waits_for_nobody(door: Door) -> None:
    another, emergency = door.passage(SCANNER, is_urgent=True), door.passage(EMERGENCY, is_urgent=True)
    door.send(another, bytes_=MUCH_BYTES)
    assert [door.send(emergency) for _ in range(3)] == [0.0, 0.0, 0.0]


def test_it_says_something_once_in_a_moment_and_not_for_each_fragment(door: Door) -> None:
    scanner = door.passage(SCANNER)
    seconds = 2.0
    door.send_for(scanner, seconds)
    assert door.ways[0].said <= seconds / EVERY_SECONDS + 1


def test_where_nobody_could_wait_it_counts_and_says_nothing(door: Door) -> None:
    door.matters = False
    scanner = door.passage(SCANNER)
    door.send_for(scanner, 2 * ASK_EVERY_SECONDS)
    assert door.ways[0].said == 0
    assert door.recent_bytes[0].add(SCANNER, 0) > 0
    door.matters = True
    door.send_for(scanner, 2 * ASK_EVERY_SECONDS)
    assert not door.is_free_for(COPYING)
