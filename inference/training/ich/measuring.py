"""Areas under the curve, of all pairs and of pairs at the same place in the head, with intervals by patient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from inference.builtin.series_score import series_logit, smoothed_along_z

Array = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]

N_STRATA = 10
N_RESAMPLES = 2000
SPECIFICITY = 0.9


@dataclass(frozen=True, slots=True)
class Scored:
    """
    Logits of one patient's slices, never seen in training, and the truth; both of shape (n_slices,).

    Parameters
    ----------
    logits, is_bleed
        Of each slice.
    top
        How many of the highest smoothed logits make the patient's.
    """

    logits: Array
    is_bleed: Truth
    top: int = 3


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


def auc(scores: Array, truth: Truth) -> float:
    """
    Return the area under the ROC curve: the share of pairs in the right order, ties by half.

    Parameters
    ----------
    scores, truth
        Shape (n,).

    Returns
    -------
    float
        NaN without a positive or without a negative.

    References
    ----------
    Hanley and McNeil, Radiology 1982;143:29-36.
    """
    n_positive = int(np.count_nonzero(truth))
    n_negative = len(truth) - n_positive
    if not n_positive or not n_negative:
        return float("nan")
    ranks = stats.rankdata(scores)
    return float((ranks[truth].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def stratified_auc(scores: Array, truth: Truth, strata: npt.NDArray[np.int64]) -> float:
    """Return the share of pairs in the right order among pairs of the same stratum; NaN without any such pair."""
    right, pairs = 0.0, 0
    for stratum in np.unique(strata):
        own = strata == stratum
        n = int(np.count_nonzero(truth[own]))
        n_pairs = n * (int(np.count_nonzero(own)) - n)
        if n_pairs:
            right += auc(scores[own], truth[own]) * n_pairs
            pairs += n_pairs
    return right / pairs if pairs else float("nan")


def sensitivity_at(specificity: float, scores: Array, truth: Truth) -> float:
    """Return the share of positives above the lowest threshold at which that share of negatives is not above it."""
    negatives = np.sort(scores[~truth])
    threshold = negatives[min(len(negatives) - 1, int(np.ceil(specificity * len(negatives))) - 1)]
    return float(np.mean(scores[truth] > threshold))


def figures(scored: Sequence[Scored]) -> dict[str, float]:
    """
    Return the figures of a set of patients.

    Parameters
    ----------
    scored
        Each patient once.

    Returns
    -------
    dict
        `slice_auc` raw, `slice_auc_smoothed`, `slice_auc_stratified` (smoothed, within tenths of the stack),
        `patient_auc`, and the sensitivities at 90 % specificity of patients and of smoothed slices.
    """
    smooth = [smoothed_along_z(each.logits) for each in scored]
    truth = np.concatenate([each.is_bleed for each in scored])
    strata = np.concatenate([_tenths(len(each.logits)) for each in scored])
    whole = np.array([series_logit(each, own.top) for each, own in zip(smooth, scored, strict=True)])
    has_bleed = np.array([bool(each.is_bleed.any()) for each in scored])
    slices = np.concatenate(smooth)
    return {
        "slice_auc": auc(np.concatenate([each.logits for each in scored]), truth),
        "slice_auc_smoothed": auc(slices, truth),
        "slice_auc_stratified": stratified_auc(slices, truth, strata),
        "patient_auc": auc(whole, has_bleed),
        "patient_sensitivity_at_90_specificity": sensitivity_at(SPECIFICITY, whole, has_bleed),
        "slice_sensitivity_at_90_specificity": sensitivity_at(SPECIFICITY, slices, truth),
    }


def with_intervals(
    scored: Sequence[Scored],
    seed: int,
    n_resamples: int = N_RESAMPLES,
    measure: Callable[[Sequence[Scored]], dict[str, float]] = figures,
) -> dict[str, Estimate]:
    """
    Return figures with percentile intervals from resampling patients.

    Parameters
    ----------
    scored
        Each patient once.
    seed
        Of the resampling.
    n_resamples
        Bootstrap samples; those without a positive or without a negative patient are drawn again.
    measure
        From patients to figures.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    rng = np.random.default_rng(seed)
    has_bleed = np.array([bool(each.is_bleed.any()) for each in scored])
    drawn: list[dict[str, float]] = []
    while len(drawn) < n_resamples:
        picked = rng.integers(0, len(scored), len(scored))
        if 0 < np.count_nonzero(has_bleed[picked]) < len(picked):
            drawn.append(measure([scored[k] for k in picked]))
    return {
        name: Estimate(value, *(float(v) for v in np.nanpercentile([d[name] for d in drawn], [2.5, 97.5])))
        for name, value in measure(scored).items()
    }


def _tenths(n_slices: int) -> npt.NDArray[np.int64]:
    return np.minimum(np.arange(n_slices) * N_STRATA // max(n_slices, 1), N_STRATA - 1)
