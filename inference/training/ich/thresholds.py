"""Operating points chosen on some folds and judged on the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.builtin.series_score import series_logit, smoothed_along_z
from inference.training.ich.measuring import SPECIFICITY, Scored


@dataclass(frozen=True, slots=True)
class Judged:
    """What thresholds gave on patients that did not choose them; counts."""

    true_positive: int
    positive: int
    true_negative: int
    negative: int


def series_logits(scored: Sequence[Scored]) -> npt.NDArray[np.float64]:
    """Return the logit of each patient's series."""
    return np.array([series_logit(smoothed_along_z(each.logits), each.top) for each in scored])


def threshold_at(specificity: float, logits: npt.NDArray[np.float64], has_bleed: npt.NDArray[np.bool_]) -> float:
    """Return the middle between the lowest logit that keeps this share of negatives below it, and the next negative."""
    negatives = np.sort(logits[~has_bleed])
    k = int(np.ceil(specificity * len(negatives))) - 1
    above = negatives[k + 1] if k + 1 < len(negatives) else negatives[k] + 1.0
    return float((negatives[k] + above) / 2)


def judged_across_folds(scored: Sequence[Scored], folds: npt.NDArray[np.int64]) -> Judged:
    """
    Choose a threshold for each fold on the other folds, at 90 % specificity, and count what it gives.

    Parameters
    ----------
    scored
        Each patient once, out of fold.
    folds
        Fold of each patient.
    """
    logits = series_logits(scored)
    has_bleed = np.array([bool(each.is_bleed.any()) for each in scored])
    flagged = np.zeros(len(scored), np.bool_)
    for fold in np.unique(folds):
        others = folds != fold
        flagged[~others] = logits[~others] > threshold_at(SPECIFICITY, logits[others], has_bleed[others])
    return Judged(
        true_positive=int(np.count_nonzero(flagged & has_bleed)),
        positive=int(np.count_nonzero(has_bleed)),
        true_negative=int(np.count_nonzero(~flagged & ~has_bleed)),
        negative=int(np.count_nonzero(~has_bleed)),
    )
