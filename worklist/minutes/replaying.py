"""
The same exams, the same readers, the same reading times, in another order. Pure.

Whoever took what went first takes what goes first in the other order. Whoever took something else had a reason of
their own, and takes the same again if it still waits. So nothing differs but what the order did.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from worklist.minutes.at_work import Session, Turn
from worklist.minutes.board import Board
from worklist.minutes.facts import Exam, Order, Readings

_NO_TIME = timedelta()
_LAST_OF_ALL = (datetime.max.replace(tzinfo=UTC), 0)


def replay(
    exams: Sequence[Exam], readings: Readings, sessions: Sequence[Session], free_to_choose: Set[int], order: Order
) -> dict[str, datetime]:
    """
    Return when each exam is opened, in the order of opening.

    Parameters
    ----------
    exams
        Those that were read.
    readings
        Of them, as they were.
    sessions
        When their readers were at work.
    free_to_choose
        Numbers of the openings that did not take what went first.
    order
        In which they are read now.

    Notes
    -----
    A reader comes when they came, pauses as long before each reading, finishes what is in hand, and leaves when they
    left. What they could not read half of by then is left for others, unless fewer exams have been opened so far than
    had been: then they stay until as many have, so that nothing waits for a night longer by a few minutes alone. When
    the last leave, as many have been opened as were: every exam is.
    """
    room = _Room(Board(exams, readings, order), sessions, free_to_choose, readings)
    return room.run()


@dataclass(slots=True)
class _AtWork:
    """A reader in the other order: the turn that comes, and what is left of its pause."""

    session: Session
    free_at: datetime
    turn: int = 0
    pause: timedelta = _NO_TIME
    _edges: list[datetime] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._edges = [edge for span in self.session.away for edge in span]

    @property
    def next_turn(self) -> Turn | None:
        return self.session.turns[self.turn] if self.turn < len(self.session.turns) else None

    @property
    def rank(self) -> tuple[datetime, int]:
        """Of two who are ready, the one who came first then comes first now."""
        turn = self.next_turn
        return (turn.opening.opened_at, turn.opening.number) if turn else _LAST_OF_ALL

    def is_free(self, now: datetime) -> bool:
        return self.free_at <= now and bisect_right(self._edges, now) % 2 == 0

    def may_open(self, now: datetime) -> bool:
        return not self.pause and self.is_free(now)

    def has_time(self, now: datetime, takes: timedelta) -> bool:
        ends_at = self.session.ends_at
        return now + takes / 2 <= ends_at and (now < ends_at or self.next_turn is not None)

    def open(self, now: datetime, takes: timedelta) -> None:
        self.free_at = now + takes
        self.turn += 1
        following = self.next_turn
        self.pause = following.pause if following else self.session.usual_pause

    def edges(self, now: datetime) -> Iterable[datetime]:
        """Give the moments to come at which something may change for this reader by time alone."""
        yield from (at for at in (self.free_at, self.session.ends_at) if at > now)
        yield from self._edges[bisect_right(self._edges, now) :][:1]


class _Room:
    def __init__(self, board: Board, sessions: Sequence[Session], free_to_choose: Set[int], readings: Readings) -> None:
        self._board = board
        self._coming = list(reversed(sessions))
        self._at_work: list[_AtWork] = []
        self._free_to_choose = free_to_choose
        self._minutes = {one.item_key: one.minutes for one in readings.openings}
        self._opened: dict[str, datetime] = {}
        self._were_opened = sorted(one.opened_at for one in readings.openings)

    def run(self) -> dict[str, datetime]:
        now = self._next(datetime.min.replace(tzinfo=UTC))
        while now is not None:
            self._board.go_on_to(now)
            while self._coming and self._coming[-1].begins_at <= now:
                session = self._coming.pop()
                self._at_work.append(_AtWork(session, session.begins_at))
            self._open(now)
            self._let_go(now)
            following = self._next(now)
            if following is not None and not self._board.is_empty():
                for one in self._at_work:
                    if one.is_free(now):
                        one.pause = max(_NO_TIME, one.pause - (following - now))
            now = following
        return self._opened

    def _open(self, now: datetime) -> None:
        while self._open_one(now):
            pass

    def _open_one(self, now: datetime) -> bool:
        first = self._board.first()
        if first is None:
            return False
        for reader in sorted((one for one in self._at_work if one.may_open(now)), key=lambda one: one.rank):
            item_key = self._own_choice(reader) or first
            takes = self._minutes[item_key]
            if reader.has_time(now, takes) or self._is_behind(now):
                self._board.take(item_key)
                self._opened[item_key] = now
                reader.open(now, takes)
                return True
        return False

    def _own_choice(self, reader: _AtWork) -> str | None:
        turn = reader.next_turn
        if turn is None or turn.opening.number not in self._free_to_choose:
            return None
        return turn.opening.item_key if self._board.has(turn.opening.item_key) else None

    def _is_behind(self, now: datetime) -> bool:
        return len(self._opened) < bisect_right(self._were_opened, now)

    def _let_go(self, now: datetime) -> None:
        """Let those leave whose time is over, unless fewer are opened than had been by now and something waits."""
        if self._is_behind(now) and not self._board.is_empty():
            return
        self._at_work = [one for one in self._at_work if one.free_at > now or now < one.session.ends_at]

    def _next(self, now: datetime) -> datetime | None:
        coming = [one.begins_at for one in self._coming[-1:]]
        change = self._board.next_change()
        if change is not None and (self._at_work or self._coming):
            coming.append(change)
        waits = not self._board.is_empty()
        for one in self._at_work:
            coming.extend(one.edges(now))
            if waits and one.pause and one.is_free(now):
                coming.append(now + one.pause)
        return min(coming, default=None)
