"""
A view that stays still: rows that need not move keep their places. Pure.

Only what is looked at is steadied: `next` and every event use the live order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from worklist.ordering.places import PlaceClass, SortKey

WORTH_A_MOVE = 1.2


def stable_view(shown: Sequence[str], live: Sequence[SortKey]) -> list[str]:
    """
    Return the keys of the items in the order to show.

    Parameters
    ----------
    shown
        Keys in the order of the last view.
    live
        Places in the live order, the first read first.

    Returns
    -------
    list of str
        The live order, save that neighbours of one tier and class whose harm per minute differs by less than a
        factor of 1.2 keep the order in which they were shown. What was not shown before stands where it is live.
    """
    before = {key: place for place, key in enumerate(shown)}
    steady: list[str] = []
    for run in _runs(live):
        known = iter(sorted((key for key in run if key in before), key=before.__getitem__))
        steady += [next(known) if key in before else key for key in run]
    return steady


def _runs(live: Sequence[SortKey]) -> Iterable[list[str]]:
    """Give neighbours that need not change places, each run within a factor of its first."""
    if not live:
        return
    first, run = live[0], [live[0].item_key]
    for _, key in pairwise(live):
        if not _is_close(first, key):
            yield run
            first, run = key, []
        run.append(key.item_key)
    yield run


def _is_close(first: SortKey, key: SortKey) -> bool:
    # Those that waited too long, and those that nothing speaks for, go by arrival: there is nothing to steady.
    if (first.tier, first.place_class) != (key.tier, key.place_class) or key.place_class is PlaceClass.EXPIRED:
        return False
    return 0 < -first.negative_harm_rate < -key.negative_harm_rate * WORTH_A_MOVE
