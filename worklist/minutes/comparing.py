"""Each exam that was read: when it was opened, and when it would have been without AI, or with AI at once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from voorrang.events.reading_records import HowOpened
from worklist.minutes.at_work import sessions
from worklist.minutes.board import followed
from worklist.minutes.facts import (
    Exam,
    Opening,
    Readings,
    order_as_it_was,
    order_with_answers_at_once,
    order_without_ai,
)
from worklist.minutes.replaying import replay

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Compared:
    """
    One exam in the order that was, and in two that might have been.

    Parameters
    ----------
    exam
        The exam.
    opened_at, place
        When its reading began; the how-manieth it was of all.
    without_ai_at, place_without_ai
        The same without AI.
    at_once_at
        When it would have been opened if every answer of AI had been there when its exam came.
    how
        How it was opened.
    followed
        Whether it was what stood first of all that was free.
    """

    exam: Exam
    opened_at: datetime
    place: int
    without_ai_at: datetime
    place_without_ai: int
    at_once_at: datetime
    how: HowOpened
    followed: bool

    @property
    def minutes_saved(self) -> float:
        """Minutes that AI saved this exam; below 0 what it cost."""
        return (self.without_ai_at - self.opened_at) / _MINUTE

    @property
    def minutes_lost_to_latency(self) -> float:
        """Minutes by which an answer at once would have saved more; below 0 where it would have saved less."""
        return (self.opened_at - self.at_once_at) / _MINUTE


def compare(exams: Mapping[str, Exam], readings: Readings) -> list[Compared]:
    """
    Return every exam that was read, in the order of opening.

    Parameters
    ----------
    exams
        By key; those that nobody read are left aside.
    readings
        What was read; left aside is an exam of which nothing is known before it was opened.
    """
    openings = sorted(one for one in readings.openings if _is_known(exams.get(one.item_key), one))
    read = [exams[one.item_key] for one in openings]
    known = Readings(tuple(openings), readings.held)
    as_it_was = order_as_it_was(read)
    from_the_top = followed(read, known, as_it_was)
    at_work = sessions(read, known)
    own_choice = {one.number for one in openings} - from_the_top
    without = replay(read, known, at_work, own_choice, order_without_ai(read))
    at_once = replay(read, known, at_work, own_choice, order_with_answers_at_once(read))
    places = {key: place for place, key in enumerate(without, 1)}
    return [
        Compared(
            exam,
            one.opened_at,
            place,
            without[one.item_key],
            places[one.item_key],
            at_once[one.item_key],
            one.how,
            one.number in from_the_top,
        )
        for place, (exam, one) in enumerate(zip(read, openings, strict=True), 1)
    ]


def _is_known(exam: Exam | None, opening: Opening) -> bool:
    """Tell whether the list had an exam when it was opened, as far as its history tells."""
    return exam is not None and exam.listed_at <= opening.opened_at
