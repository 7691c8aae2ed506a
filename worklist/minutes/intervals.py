"""
Means over days, with an interval from the spread of days, never from that of single exams. Pure.

Exams of one day wait together: what one gains others lose, and a busy hour delays all. So each day is one batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

CONFIDENCE = 0.95
FEWEST_DAYS = 3
METHOD = "each day a batch, ratio of sums, Student's t (Law 2015, 9.5.3; Cochran 1977, 2.11)"
SHARE_METHOD = "Wilson score interval (Wilson 1927, J Am Stat Assoc 22:209-212)"

_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


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
        Of each day, how many exams; a day without any counts as one on which nothing was gained or lost.

    Returns
    -------
    Interval or None
        None without an exam; without ends when fewer than three days have one.

    Notes
    -----
    With few days the interval is narrow by chance at times: it holds for a period of some weeks, less for one week.

    References
    ----------
    Batch means: Law, Simulation Modeling and Analysis, 5th ed. (2015), section 9.5.3. Ratio of two sums: Cochran,
    Sampling Techniques, 3rd ed. (1977), section 2.11.
    """
    total = sum(counts)
    if not total:
        return None
    estimate = math.fsum(sums) / total
    if sum(1 for count in counts if count) < FEWEST_DAYS:
        return Interval(estimate, None, None)
    days = len(counts)
    spread = math.fsum((value - estimate * count) ** 2 for value, count in zip(sums, counts, strict=True))
    half = t_quantile(days - 1) * math.sqrt(days * spread / (days - 1)) / total
    return Interval(estimate, estimate - half, estimate + half)


def share(successes: int, of: int) -> Interval | None:
    """
    Return a share; None of nothing.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference, J Am Stat Assoc 22:209-212.
    """
    if not of:
        return None
    found = successes / of
    middle = (found + _Z**2 / (2 * of)) / (1 + _Z**2 / of)
    half = _Z / (1 + _Z**2 / of) * math.sqrt(found * (1 - found) / of + _Z**2 / (4 * of**2))
    return Interval(found, max(0.0, middle - half), min(1.0, middle + half))


def t_quantile(degrees: int) -> float:
    """
    Return the two-sided 95 % point of Student's t, right to 0.001 from two degrees of freedom on.

    References
    ----------
    Exact for 1 and 2 degrees; above, Abramowitz and Stegun (1964), 26.7.5, four terms, from 5 degrees on; the table
    26.10 for 3 and 4.
    """
    exact = {1: 12.7062, 2: 4.30265, 3: 3.18245, 4: 2.77645}
    if degrees in exact:
        return exact[degrees]
    z, n = _Z, degrees
    return z + math.fsum(
        (
            (z**3 + z) / (4 * n),
            (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2),
            (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3),
            (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * n**4),
        )
    )
