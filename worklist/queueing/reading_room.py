"""
Readers who always take the first of the list, event by event. Pure.

An exam's place is (class, arrival): a lower class goes first, inside a class the earlier. A place can rise while the
exam waits or is read, when the model answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush, heapreplace


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What the model says of an exam after it came on the list.

    Parameters
    ----------
    at
        Minutes since the start.
    exam
        Its number.
    new_class
        Where it belongs from now on.
    minutes
        Its reading time if it is opened from now on.
    """

    at: float
    exam: int
    new_class: int
    minutes: float


def waits(
    arrivals: Sequence[float],
    classes: Sequence[int],
    minutes: Sequence[float],
    readers: int,
    *,
    preemptive: bool,
    answers: Sequence[Answer] = (),
) -> list[float]:
    """
    Return the wait of each exam: time in the system minus its own reading time, minutes.

    Parameters
    ----------
    arrivals
        Minutes since the start, ascending.
    classes
        Class of each at its arrival, 0 first.
    minutes
        Reading time of each.
    readers
        How many, at least 1.
    preemptive
        A reading in hand is put aside for an exam of a lower class number, and resumed later.
    answers
        What changes an exam's class later, in order of time; one at most for each, and never to a later class.
    """
    room = (_InterruptedRoom if preemptive else _Room)(arrivals, classes, minutes, readers)
    following = iter(answers)
    answer = next(following, None)
    for exam, at in enumerate(arrivals):
        while answer is not None and answer.at < at:
            room.hear(answer)
            answer = next(following, None)
        room.arrive(exam, at)
    while answer is not None:
        room.hear(answer)
        answer = next(following, None)
    room.finish_until(math.inf)
    return room.waits


class _Room:
    """A reading in hand is finished, whatever comes."""

    def __init__(
        self, arrivals: Sequence[float], classes: Sequence[int], minutes: Sequence[float], readers: int
    ) -> None:
        self._arrivals = arrivals
        self._count = len(arrivals)
        # One number holds class and arrival, which heaps compare faster than pairs.
        self._places = [number * self._count + exam for exam, number in enumerate(classes)]
        self._minutes = list(minutes)
        self._idle = readers
        self._waiting: list[int] = []
        self._reading: list[tuple[float, int]] = []
        self._opened = bytearray(self._count)
        self.waits = [0.0] * self._count

    def arrive(self, exam: int, at: float) -> None:
        reading = self._reading
        if reading and reading[0][0] <= at:
            self.finish_until(at)
        if self._idle:
            self._idle -= 1
            self._opened[exam] = True
            heappush(reading, (at + self._minutes[exam], exam))
        else:
            heappush(self._waiting, self._places[exam])

    def hear(self, answer: Answer) -> None:
        self.finish_until(answer.at)
        if self._opened[answer.exam]:
            return
        self._minutes[answer.exam] = answer.minutes
        if self._move(answer):
            heappush(self._waiting, self._places[answer.exam])

    def finish_until(self, until: float) -> None:
        reading = self._reading
        while reading and reading[0][0] <= until:
            at = reading[0][0]
            exam = self._take()
            if exam < 0:
                heappop(reading)
                self._idle += 1
                continue
            self._opened[exam] = True
            self.waits[exam] = at - self._arrivals[exam]
            heapreplace(reading, (at + self._minutes[exam], exam))

    def _move(self, answer: Answer) -> bool:
        """Give an exam its new place; false when it has that already."""
        place = answer.new_class * self._count + answer.exam
        moved = self._places[answer.exam] != place
        self._places[answer.exam] = place
        return moved

    def _take(self) -> int:
        """Take the first of the list; -1 when nothing waits. Places that an exam has left are passed over."""
        waiting, places, count = self._waiting, self._places, self._count
        while waiting:
            place = heappop(waiting)
            exam = place % count
            if places[exam] == place:
                return exam
        return -1


class _InterruptedRoom(_Room):
    """A reading in hand is put aside for an exam of a class before it, the last of the list first."""

    def __init__(
        self, arrivals: Sequence[float], classes: Sequence[int], minutes: Sequence[float], readers: int
    ) -> None:
        super().__init__(arrivals, classes, minutes, readers)
        self._left = self._minutes
        self._total = list(minutes)
        self._ends = [math.inf] * self._count
        self._in_hand: list[int] = []

    def arrive(self, exam: int, at: float) -> None:
        reading = self._reading
        if reading and reading[0][0] <= at:
            self.finish_until(at)
        if self._idle:
            self._idle -= 1
            self._open(exam, at)
        else:
            self._interrupt_or_wait(exam, at)

    def hear(self, answer: Answer) -> None:
        self.finish_until(answer.at)
        exam = answer.exam
        if self._left[exam] < 0:
            return
        moved, waits_still = self._move(answer), self._ends[exam] == math.inf
        if not self._opened[exam]:
            self._left[exam] = self._total[exam] = answer.minutes
        if moved and waits_still:
            self._interrupt_or_wait(exam, answer.at)

    def finish_until(self, until: float) -> None:
        reading, ends = self._reading, self._ends
        while reading and reading[0][0] <= until:
            at, done = heappop(reading)
            if ends[done] != at:
                continue  # it was put aside meanwhile
            self._in_hand.remove(done)
            ends[done] = math.inf
            self._left[done] = -1.0
            self.waits[done] = at - self._arrivals[done] - self._total[done]
            exam = self._take()
            if exam < 0:
                self._idle += 1
            else:
                self._open(exam, at)

    def _open(self, exam: int, at: float) -> None:
        end = at + self._left[exam]
        self._opened[exam] = True
        self._ends[exam] = end
        self._in_hand.append(exam)
        heappush(self._reading, (end, exam))

    def _interrupt_or_wait(self, exam: int, at: float) -> None:
        places, count = self._places, self._count
        last = max(self._in_hand, key=places.__getitem__)
        if places[last] // count <= places[exam] // count:
            heappush(self._waiting, places[exam])
            return
        self._left[last] = self._ends[last] - at
        self._ends[last] = math.inf
        self._in_hand.remove(last)
        heappush(self._waiting, places[last])
        self._open(exam, at)
