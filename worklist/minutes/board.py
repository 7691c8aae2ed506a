"""What waits to be read, moment by moment, and what of it goes first. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from worklist.minutes.facts import Exam, Order, Place, Readings


class Board:
    """
    The list of what waits, in one order; time only goes forward.

    Parameters
    ----------
    exams
        All of them that are read, whenever.
    readings
        Say which of them is held when.
    order
        Their places over time.
    """

    def __init__(self, exams: Iterable[Exam], readings: Readings, order: Order) -> None:
        self._order = order
        self._coming = sorted(((one.listed_at, one.item_key) for one in exams), reverse=True)
        self._changes = sorted(
            ((at, one.item_key) for one in exams for at in order[one.item_key].times[1:]), reverse=True
        )
        self._held: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
        for each in readings.held:
            self._held[each.item_key].append((each.opened_at, each.closed_at))
        self._held_changes = sorted({at for spans in self._held.values() for span in spans for at in span})
        self._places: dict[str, Place] = {}
        self._now = datetime.min.replace(tzinfo=UTC)

    def go_on_to(self, moment: datetime) -> None:
        """Let time pass: exams come, places change."""
        self._now = moment
        while self._coming and self._coming[-1][0] <= moment:
            key = self._coming.pop()[1]
            self._places[key] = self._order[key].at(moment)
        while self._changes and self._changes[-1][0] <= moment:
            key = self._changes.pop()[1]
            if key in self._places:
                self._places[key] = self._order[key].at(moment)

    def take(self, item_key: str) -> None:
        """Let an exam be opened."""
        del self._places[item_key]

    def has(self, item_key: str) -> bool:
        """Tell whether an exam waits and nobody holds it."""
        return item_key in self._places and not self._is_held(item_key)

    def first(self) -> str | None:
        """Return what goes first of what waits; None when nothing does."""
        places: Iterable[Place] = self._places.values()
        if self._held.keys() & self._places.keys():
            places = [place for key, place in self._places.items() if not self._is_held(key)]
        first = min(places, default=None)
        return first[2] if first is not None else None

    def next_change(self) -> datetime | None:
        """Return when the next exam comes, or is held or let go of."""
        later = self._held_changes[bisect_right(self._held_changes, self._now) :][:1]
        return min([*(at for at, _ in self._coming[-1:]), *later], default=None)

    def is_empty(self) -> bool:
        """Tell whether nothing waits that anybody may open now."""
        return not any(not self._is_held(key) for key in self._places)

    def _is_held(self, item_key: str) -> bool:
        return any(start <= self._now < end for start, end in self._held.get(item_key, ()))


def followed(exams: Sequence[Exam], readings: Readings, order: Order) -> frozenset[int]:
    """Return the numbers of the openings that took what went first of all that was free to be opened."""
    board = Board(exams, readings, order)
    found = set()
    for one in sorted(readings.openings):
        board.go_on_to(one.opened_at)
        if board.first() == one.item_key:
            found.add(one.number)
        board.take(one.item_key)
    return frozenset(found)
