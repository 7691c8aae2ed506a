"""What an order would save and cost if somebody began to read the list now, which nobody did yet. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace
from typing import Any

OTHERWISE_MINUTES = 10.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """
    One exam that waits.

    Parameters
    ----------
    item_key
        Its key.
    place, place_without_ai
        On the list as it is, and without AI.
    minutes
        How long its reading is expected to take.
    is_flagged
        Whether a model flagged it.
    """

    item_key: str
    place: int
    place_without_ai: int
    minutes: float
    is_flagged: bool


@dataclass(frozen=True, slots=True)
class Projected:
    """Minutes saved by each flagged exam, and lost by each other; below 0 the other way."""

    readers: int
    saved: Mapping[str, float]
    lost: Mapping[str, float]

    def to_json(self) -> dict[str, float]:
        """Return it as an object: readers, exams of both kinds, and their minutes in all."""
        return {
            "readers": self.readers,
            "flagged_exams": len(self.saved),
            "minutes_saved_by_flagged": sum(self.saved.values()),
            "other_exams": len(self.lost),
            "minutes_lost_by_others": sum(self.lost.values()),
        }

    def lines(self) -> list[str]:
        """Return it in words, a line each."""
        who = "one reader" if self.readers == 1 else f"{self.readers} readers"
        return [
            f"if {who} read the whole list by the new order, not by that without AI (a projection, nothing measured):",
            f"  {_line('minutes saved, flagged exams', self.saved)}",
            f"  {_line('minutes lost, the others', self.lost)}",
        ]


def project(waiting: Sequence[Waiting], readers: int = 1) -> Projected:
    """
    Return what each exam would wait less, or more, than without AI.

    Parameters
    ----------
    waiting
        Every exam on the list.
    readers
        How many begin now; each takes what stands first, and nothing comes meanwhile.
    """
    with_ai = _opened(sorted(waiting, key=lambda one: one.place), readers)
    without = _opened(sorted(waiting, key=lambda one: one.place_without_ai), readers)
    saved = {one.item_key: without[one.item_key] - with_ai[one.item_key] for one in waiting}
    return Projected(
        readers,
        {one.item_key: saved[one.item_key] for one in waiting if one.is_flagged},
        {one.item_key: -saved[one.item_key] for one in waiting if not one.is_flagged},
    )


def waiting_rows(rows: Iterable[Mapping[str, Any]], minutes: Mapping[str, float]) -> list[Waiting]:
    """
    Return the exams of a list as `GET /api/worklist` gives it; priors have no place and are left out.

    Parameters
    ----------
    rows
        Its items.
    minutes
        Reading time by pathway: an exam takes the longest of its own, and ten minutes where no pathway wants it.
    """
    return [
        Waiting(
            row["item_key"],
            row["rank"],
            row["rank_without_ai"],
            max((minutes[one["pathway"]] for one in row["pathways"] if one["pathway"] in minutes), default=0.0)
            or OTHERWISE_MINUTES,
            any(one["flagged"] for one in row["pathways"]),
        )
        for row in rows
        if row["rank"] is not None and row["rank_without_ai"] is not None
    ]


def _opened(ordered: Iterable[Waiting], readers: int) -> dict[str, float]:
    free = [0.0] * readers
    heapify(free)
    opened = {}
    for one in ordered:
        opened[one.item_key] = free[0]
        heapreplace(free, free[0] + one.minutes)
    return opened


def _line(words: str, minutes: Mapping[str, float]) -> str:
    if not minutes:
        return f"{words}: there are none"
    total = sum(minutes.values())
    return f"{words}: {total:+z.0f} in all, {total / len(minutes):+z.1f} each of {len(minutes)}"
