from __future__ import annotations

from collections.abc import Sequence

import pytest

from ingest.pausing import AT_MOST_SECONDS, LOOK_EVERY_SECONDS, Pausing


class Stream:
    """What has come at each look, and how much time that took."""

    def __init__(self, marks: Sequence[int]) -> None:
        self._marks = list(marks)
        self.looks = 0

    def wait(self, seconds: float) -> bool:
        """Let time pass; it is time to stop when nothing more is known."""
        assert seconds == LOOK_EVERY_SECONDS
        self.looks += 1
        return self.looks > len(self._marks)

    def mark(self) -> int:
        """Return how much has come."""
        return self._marks[self.looks - 1]

    def now(self) -> float:
        """Return the seconds of all looks."""
        return self.looks * LOOK_EVERY_SECONDS


def gathered(*marks: int) -> tuple[int, bool]:
    """Return how many looks it took after one at nothing, and whether something has come."""
    stream = Stream([0, 0, *marks])
    pausing = Pausing(stream.mark, stream.wait, stream.now)
    pausing.until_pause()  # what it finds at first has come before
    pausing.has_some = False
    pausing.until_pause()
    return stream.looks - 2, pausing.has_some


LONG = round(AT_MOST_SECONDS / LOOK_EVERY_SECONDS) + 1


@pytest.mark.parametrize(
    ("marks", "looks"),
    [
        ((1, 1), 2),
        ((0, 0, 1, 1), 4),
        ((1, 2, 3, 3), 4),
        ((2, 1, 1), 3),  # a segment was removed
        (tuple(range(1, 40)), LONG),
    ],
)
def test_it_returns_at_the_first_pause_or_after_a_second(marks: tuple[int, ...], looks: int) -> None:
    assert gathered(*marks) == (looks, True)


def test_nothing_that_comes_is_waited_for_until_it_is_time_to_stop() -> None:
    assert gathered(0, 0, 0) == (4, False)


def test_what_came_while_the_last_was_taken_in_is_seen_at_the_next_look() -> None:
    stream = Stream([5, 5, 7, 7])
    pausing = Pausing(stream.mark, stream.wait, stream.now)
    pausing.until_pause()
    pausing.has_some = False

    pausing.until_pause()

    assert stream.looks == 4
