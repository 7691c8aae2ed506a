"""
Free-response ROC: sensitivity against false positives per scan, as LUNA16 defines it.

References
----------
Setio et al., Validation, comparison, and combination of algorithms for automatic detection of pulmonary nodules in
computed tomography images: the LUNA16 challenge. Med Image Anal 2017;42:1-13.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voorrang.dicom.headers import Vector

RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
MOST_MARKS = 100

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spot:
    """A nodule that counts, or a place where marks count neither way: centre (mm) and the radius that is a hit."""

    position_mm: Vector
    radius_mm: float


@dataclass(frozen=True, slots=True)
class Placed:
    """A mark: where (mm) and how sure, whatever the scale."""

    position_mm: Vector
    score: float


@dataclass(frozen=True, slots=True)
class Scan:
    """
    What became of one scan.

    Parameters
    ----------
    nodules
        Highest score of a mark on each nodule; minus infinity where there is none.
    false_positives
        Scores of marks on nothing.
    """

    nodules: Scores
    false_positives: Scores


def judge(marks: Sequence[Placed], nodules: Sequence[Spot], ignored: Sequence[Spot] = ()) -> Scan:
    """
    Match the marks of one scan to its nodules.

    Parameters
    ----------
    marks
        Of the model; the highest 100 count.
    nodules
        All of them.
    ignored
        Where a mark is no false positive either.

    Returns
    -------
    Scan
        A mark hits every nodule to whose centre it is nearer than the radius; of several marks on one nodule the
        highest counts and the others count neither way.
    """
    best = np.full(len(nodules), -np.inf)
    wrong = []
    for mark in sorted(marks, key=lambda m: -m.score)[:MOST_MARKS]:
        hit = [_apart(mark, nodule) < nodule.radius_mm for nodule in nodules]
        best[hit] = np.maximum(best[hit], mark.score)
        if not any(hit) and not any(_apart(mark, spot) < spot.radius_mm for spot in ignored):
            wrong.append(mark.score)
    return Scan(best, np.array(wrong, dtype=np.float64))


def sensitivities(scans: Sequence[Scan], rates: Sequence[float] = RATES) -> Scores:
    """
    Return the sensitivity at mean numbers of false positives per scan.

    Parameters
    ----------
    scans
        All of them, those without nodules too.
    rates
        False positives per scan.

    Returns
    -------
    ndarray of shape (n_rates,)
        At the lowest threshold whose false positives do not exceed the rate; where there are none left to exceed it,
        all marks count. LUNA16's own code draws lines between such points; this takes the lower end.
    """
    found = np.concatenate([s.nodules for s in scans])
    if not len(found):
        return np.full(len(rates), np.nan)
    return np.array([np.mean(found > limit_at(rate, scans)) for rate in rates])


def limit_at(rate: float, scans: Sequence[Scan]) -> float:
    """Return the score above which marks count at a rate of false positives per scan; all do where there are fewer."""
    wrong = np.sort(np.concatenate([s.false_positives for s in scans]))[::-1]
    allowed = int(np.floor(rate * len(scans) + 1e-9))
    return float(wrong[allowed]) if allowed < len(wrong) else -np.inf


def cpm(scans: Sequence[Scan]) -> float:
    """Return the competition performance metric: the mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 per scan."""
    return float(sensitivities(scans).mean())


def threshold_at(rate: float, scans: Sequence[Scan]) -> float:
    """
    Return a threshold that keeps a rate: what reaches it are no more false positives than that.

    It is the middle between the highest score that would exceed the rate and the next above; where these are one score,
    or there is none above, the least number beyond it.
    """
    wrong = np.concatenate([s.false_positives for s in scans])
    limit = limit_at(rate, scans)
    if not np.isfinite(limit):
        raise ValueError(f"{len(wrong)} false positives in {len(scans)} scans never exceed {rate} per scan")
    above = wrong[wrong > limit]
    n_allowed = int(np.floor(rate * len(scans) + 1e-9))
    if n_allowed and len(above) == n_allowed:
        return float((limit + above.min()) / 2)
    return float(np.nextafter(limit, np.inf))


def _apart(mark: Placed, spot: Spot) -> float:
    return float(np.linalg.norm(np.subtract(mark.position_mm, spot.position_mm)))
