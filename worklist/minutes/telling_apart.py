"""
Which opening of an exam was its reading. Pure.

An exam is opened by several at times: handed back, given up, opened again. The last opening that was not handed back
counts as its reading, once the exam was reported or called done; every other only kept its reader and the exam.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from voorrang.events.reading_records import HowOpened, WhyClosed
from worklist.minutes.facts import Held, Opening, Readings

# A reading whose end nobody wrote down ends with its claim.
LONGEST = timedelta(minutes=30)
_CAME_TO_NOTHING = frozenset({"handed_back", "withdrawn"})


@dataclass(frozen=True, slots=True, order=True)
class Opened:
    """A reader opened an item: a `reading-opened`, `number` its reading."""

    opened_at: datetime
    number: int
    item_key: str
    reader: str
    how: HowOpened


@dataclass(frozen=True, slots=True, order=True)
class Closed:
    """A reading ended: a `reading-closed` of that number."""

    at: datetime
    number: int
    why: WhyClosed


def readings(opened: Iterable[Opened], closed: Iterable[Closed], read: Collection[str], now: datetime) -> Readings:
    """
    Return what was read and what was only held.

    Parameters
    ----------
    opened, closed
        Whatever happened, in any order, told once or often.
    read
        Keys of the items that were reported or called done, and still are.
    now
        What nobody has closed is held until then at most.

    Notes
    -----
    A reader reads one exam at a time: a reading ends at the latest when its reader opens the next.
    """
    ordered, ended = sorted(set(opened)), sorted(set(closed))
    ends = _ends(ordered, ended, now)
    came_to_nothing = {one.number for one in ended if one.why in _CAME_TO_NOTHING}
    last = {one.item_key: one.number for one in ordered if one.item_key in read and one.number not in came_to_nothing}
    count = [one for one in ordered if last.get(one.item_key) == one.number]
    rest = [one for one in ordered if last.get(one.item_key) != one.number]
    return Readings(
        tuple(Opening(o.opened_at, o.number, o.item_key, o.reader, ends[o.number], o.how) for o in count),
        tuple(Held(o.opened_at, o.number, o.item_key, o.reader, ends[o.number]) for o in rest),
    )


def _ends(ordered: Sequence[Opened], closed: Sequence[Closed], now: datetime) -> Mapping[int, datetime]:
    ends = {one.number: min(one.opened_at + LONGEST, now) for one in ordered}
    ends |= {one.number: one.at for one in reversed(closed)}
    of_reader: dict[str, list[Opened]] = defaultdict(list)
    for one in ordered:
        of_reader[one.reader].append(one)
    for mine in of_reader.values():
        for one, following in pairwise(mine):
            ends[one.number] = min(ends[one.number], following.opened_at)
    return {one.number: max(ends[one.number], one.opened_at) for one in ordered}
