"""What the proof of minutes is made from: places of exams over time, and readings. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from voorrang.events.reading_records import HowOpened

# What the policy compares first, then arrival and key, which break ties in every order.
Place = tuple[tuple[float, ...], datetime, str]
Order = Mapping[str, "Track"]


class Said(StrEnum):
    """What the list showed of one pathway of an exam; a closed set."""

    FLAGGED = "flagged"
    NOT_FLAGGED = "not_flagged"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Placed:
    """
    What an exam's place was from a moment on.

    Parameters
    ----------
    at
        When the list had it so.
    place
        As the policy set it; the smallest goes first.
    without_ai
        What the same policy sets for the same exam without any answer of a model.
    said
        Of each pathway that wants the exam, what was shown.
    """

    at: datetime
    place: Place
    without_ai: Place
    said: Mapping[str, Said] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Track:
    """Places of one exam in one order: from `times[n]` on `places[n]`; before the first, the first."""

    times: tuple[datetime, ...]
    places: tuple[Place, ...]

    def at(self, moment: datetime) -> Place:
        """Return the place at a moment."""
        return self.places[max(0, bisect_right(self.times, moment) - 1)]


@dataclass(frozen=True, slots=True)
class Exam:
    """
    One item of the list.

    Parameters
    ----------
    item_key
        Its key.
    arrived_at
        When its first image was received.
    history
        Its places, in the order of time, at least one; the list has it since the first.
    """

    item_key: str
    arrived_at: datetime
    history: tuple[Placed, ...]

    @property
    def listed_at(self) -> datetime:
        """Since when the list has it."""
        return self.history[0].at

    @property
    def pathways(self) -> frozenset[str]:
        """The pathways that ever wanted it."""
        return frozenset(name for one in self.history for name in one.said)

    def said_by(self, pathway: str, moment: datetime) -> Said:
        """Return what was shown of a pathway at a moment."""
        now = [one for one in self.history if one.at <= moment]
        return now[-1].said.get(pathway, Said.NOTHING) if now else Said.NOTHING

    def flagged_by(self, pathway: str | None) -> bool:
        """Tell whether a pathway, or with None any, flagged it at last, before or after it was opened."""
        return any(self._last_word(name) is Said.FLAGGED for name in (self.pathways if pathway is None else [pathway]))

    def _last_word(self, pathway: str) -> Said:
        """Return what a pathway said last: a model that is suspended or replaced takes back nothing."""
        words = (one.said.get(pathway, Said.NOTHING) for one in reversed(self.history))
        return next((word for word in words if word is not Said.NOTHING), Said.NOTHING)


@dataclass(frozen=True, slots=True, order=True)
class Opening:
    """
    An exam is opened and read: from then to `closed_at` its reader does nothing else.

    `number` is that of the decision that opened it: it tells apart, and orders, what happened at one moment.
    """

    opened_at: datetime
    number: int
    item_key: str
    reader: str
    closed_at: datetime
    how: HowOpened

    @property
    def minutes(self) -> timedelta:
        """How long the reading took."""
        return self.closed_at - self.opened_at


@dataclass(frozen=True, slots=True, order=True)
class Held:
    """A reading that came to nothing: from `opened_at` to `closed_at` it kept its reader and its exam."""

    opened_at: datetime
    number: int
    item_key: str
    reader: str
    closed_at: datetime


@dataclass(frozen=True, slots=True)
class Readings:
    """Every reading of a period: what was read, and what only kept somebody busy."""

    openings: tuple[Opening, ...]
    held: tuple[Held, ...] = ()


def order_as_it_was(exams: Sequence[Exam]) -> dict[str, Track]:
    """Return the order that the list had."""
    return {one.item_key: Track(_times(one), tuple(each.place for each in one.history)) for one in exams}


def order_without_ai(exams: Sequence[Exam]) -> dict[str, Track]:
    """Return the order that the list would have had without AI."""
    return {one.item_key: Track(_times(one), tuple(each.without_ai for each in one.history)) for one in exams}


def order_with_answers_at_once(exams: Sequence[Exam]) -> dict[str, Track]:
    """
    Return the order that the list would have had if each answer had been there when its exam came.

    The first place to which AI lifted an exam then holds from the beginning; where people changed its tier before
    that, from that change on: what AI would have done in the tier before, nobody knows.
    """
    return {one.item_key: Track(_times(one), _lifted_at_once(one.history)) for one in exams}


def _lifted_at_once(history: Sequence[Placed]) -> tuple[Place, ...]:
    places = [each.place for each in history]
    lifted = next((n for n, each in enumerate(history) if each.place < each.without_ai), None)
    if lifted is not None:
        for n in reversed(range(lifted)):
            if _tier(history[n]) != _tier(history[lifted]):
                break
            places[n] = places[lifted]
    return tuple(places)


def _tier(one: Placed) -> tuple[float, ...]:
    return one.without_ai[0][:1]


def _times(one: Exam) -> tuple[datetime, ...]:
    return tuple(each.at for each in one.history)
