"""
Means and shares over days, with an interval from the spread of days, never from that of single exams. Pure.

Exams of one day wait together: what one gains others lose, and a busy hour delays all. So whole days are drawn again.
A few bad days make most of the minutes, so the interval is that of the bootstrap-t, which knows skewed days; the
plain one and Student's t were too narrow by far (ADR 16).
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import mul

CONFIDENCE = 0.95
FEWEST_DAYS = 5
DRAWS = 999
METHOD = "bootstrap-t over days, 999 draws, 95 % (Efron and Tibshirani 1993, 12.5)"
SHARE_METHOD = f"{METHOD}; never below 0 or above 1"


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and where it lies at 95 % confidence; the ends are None where nothing tells."""

    estimate: float
    low: float | None
    high: float | None


def mean_over_days(sums: Sequence[float], counts: Sequence[int]) -> Interval | None:
    """
    Return the mean per exam.

    Parameters
    ----------
    sums
        Of each day, the sum over its exams.
    counts
        Of each day, how many exams; on a day without any, nothing was gained or lost.

    Returns
    -------
    Interval or None
        None without an exam; without ends when fewer than five days have minutes other than 0, or all days are alike:
        what few days make, other days will not repeat, and the spread of the rest does not know it.

    Notes
    -----
    The same days give the same interval, in whatever order they come: the draws are made once for a number of days.

    References
    ----------
    Efron and Tibshirani, An introduction to the bootstrap (1993), section 12.5; the ratio of two sums and its standard
    error: Cochran, Sampling Techniques, 3rd ed. (1977), section 2.11.
    """
    total = sum(counts)
    if not total:
        return None
    estimate = math.fsum(sums) / total
    if _number(sums) < FEWEST_DAYS:
        return Interval(estimate, None, None)
    days = sorted(zip(sums, counts, strict=True))
    error = _standard_error(days, estimate, [1] * len(days))
    if math.isclose(estimate, estimate + error):
        return Interval(estimate, None, None)
    distances = sorted(
        (again - estimate) / spread
        for again, spread in (_drawn_again(days, times) for times in _draws(len(days)))
        if spread
    )
    if len(distances) < DRAWS / 2:
        return Interval(estimate, None, None)
    tail = int((1 - CONFIDENCE) / 2 * (len(distances) + 1))
    return Interval(estimate, estimate - distances[-tail] * error, estimate - distances[tail - 1] * error)


def share_over_days(successes: Sequence[int], counts: Sequence[int]) -> Interval | None:
    """
    Return a share.

    Parameters
    ----------
    successes
        Of each day, how many of its exams were so.
    counts
        Of each day, how many exams.

    Returns
    -------
    Interval or None
        None without an exam; without ends when on fewer than five days some were so, or some were not.
    """
    found = mean_over_days(successes, counts)
    if found is None or found.low is None or found.high is None:
        return found
    if _number([count - so for so, count in zip(successes, counts, strict=True)]) < FEWEST_DAYS:
        return Interval(found.estimate, None, None)
    return Interval(found.estimate, max(0.0, found.low), min(1.0, found.high))


def _number(of_days: Sequence[float]) -> int:
    """Return on how many days there was anything."""
    return sum(1 for value in of_days if value)


@lru_cache(maxsize=128)
def _draws(days: int) -> tuple[tuple[int, ...], ...]:
    """Return how often each day is drawn, 999 times."""
    chance = random.Random(days)
    counted = (Counter(chance.choices(range(days), k=days)) for _ in range(DRAWS))
    return tuple(tuple(times[day] for day in range(days)) for times in counted)


def _drawn_again(days: Sequence[tuple[float, int]], times: Sequence[int]) -> tuple[float, float]:
    """Return the mean of a draw and its standard error; an error of 0 when it has none."""
    total = sum(map(mul, times, (count for _, count in days)))
    if not total:
        return 0.0, 0.0
    estimate = sum(map(mul, times, (value for value, _ in days))) / total
    return estimate, _standard_error(days, estimate, times)


def _standard_error(days: Sequence[tuple[float, int]], estimate: float, times: Sequence[int]) -> float:
    number = len(days)
    total: int = sum(map(mul, times, (count for _, count in days)))
    squares: float = sum(
        t * (value - estimate * count) ** 2 for t, (value, count) in zip(times, days, strict=True) if t
    )
    return math.sqrt(number * squares / (number - 1)) / total
