"""
When readers were at work, and what of it they left the list alone. Pure.

Between two readings a reader either pauses or finds nothing to read. Only the first belongs to the reader: what is
counted as a pause is the time in which something waited. With another order the pauses stay, the idle time need not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from worklist.minutes.facts import Exam, Opening, Readings

# Who opened nothing for so long was elsewhere, and begins anew when they come back, whatever the order is.
LONGEST_PAUSE = timedelta(minutes=60)

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Turn:
    """One reading of a session: after a pause of so long an exam is opened; as it was, `opening`."""

    pause: timedelta
    opening: Opening


@dataclass(frozen=True, slots=True)
class Session:
    """
    One reader at work, from the first opening to the last reading.

    Parameters
    ----------
    reader
        Who.
    turns
        The readings as they were, at least one.
    away
        Spans in which a reading that came to nothing kept the reader.
    """

    reader: str
    turns: tuple[Turn, ...]
    away: tuple[Span, ...]

    @property
    def begins_at(self) -> datetime:
        """When the reader comes to the list."""
        return self.turns[0].opening.opened_at

    @property
    def usual_pause(self) -> timedelta:
        """The mean pause before a reading."""
        return sum((one.pause for one in self.turns), timedelta()) / max(1, len(self.turns) - 1)

    @property
    def ends_at(self) -> datetime:
        """When the reader was done with the last exam."""
        return self.turns[-1].opening.closed_at


def sessions(exams: Sequence[Exam], readings: Readings) -> list[Session]:
    """Return the sessions of every reader, in the order of their beginning."""
    waiting = _Spans(_waiting(exams, readings))
    of_reader: dict[str, list[Opening]] = defaultdict(list)
    for one in sorted(readings.openings):
        of_reader[one.reader].append(one)
    found = []
    for reader, mine in of_reader.items():
        away = _union((h.opened_at, h.closed_at) for h in readings.held if h.reader == reader)
        for part in _parts(mine):
            turns = [Turn(timedelta(), part[0])]
            for before, one in pairwise(part):
                pause = waiting.within(before.closed_at, one.opened_at, without=away)
                turns.append(Turn(pause, one))
            found.append(Session(reader, tuple(turns), away))
    return sorted(found, key=lambda one: (one.begins_at, one.turns[0].opening.number))


def _parts(mine: Sequence[Opening]) -> Iterable[list[Opening]]:
    part = [mine[0]]
    for one in mine[1:]:
        if one.opened_at - part[-1].closed_at > LONGEST_PAUSE:
            yield part
            part = []
        part.append(one)
    yield part


def _waiting(exams: Sequence[Exam], readings: Readings) -> Iterable[Span]:
    """Give the spans in which each exam could have been opened."""
    opened = {one.item_key: one.opened_at for one in readings.openings}
    held: dict[str, list[Span]] = defaultdict(list)
    for one in readings.held:
        held[one.item_key].append((one.opened_at, one.closed_at))
    for exam in exams:
        if exam.item_key in opened:
            yield from _minus((exam.listed_at, opened[exam.item_key]), _union(held[exam.item_key]))


class _Spans:
    """Disjoint spans in the order of time."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = _union(spans)
        self._ends = [end for _, end in self._spans]

    def within(self, start: datetime, end: datetime, without: Sequence[Span]) -> timedelta:
        """Return how much of them lies between two moments, other spans left out."""
        total = timedelta()
        for span in self._spans[bisect_right(self._ends, start) :]:
            if span[0] >= end:
                break
            part = (max(span[0], start), min(span[1], end))
            total += sum((last - first for first, last in _minus(part, without)), timedelta())
        return total


def _union(spans: Iterable[Span]) -> tuple[Span, ...]:
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif start < end:
            found.append((start, end))
    return tuple(found)


def _minus(span: Span, without: Sequence[Span]) -> Iterable[Span]:
    """Give what is left of a span; the others are disjoint and in order."""
    start, end = span
    for first, last in without:
        if first < end and last > start:
            if start < first:
                yield start, first
            start = max(start, last)
    if start < end:
        yield start, end
