"""How slices become a patient's score, chosen by inner splits: for each fold, by patients of the other folds alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from inference.builtin.series_score import series_logit, smoothed_along_z
from inference.training.ich.labelled import N_FOLDS
from inference.training.ich.measuring import auc

Array = npt.NDArray[np.float64]
Reference = Literal["none", "series", "slices"]
LeftOut = tuple[int, ...]
ByLeftOut = Mapping[LeftOut, Sequence[Array]]

PAIRS: tuple[LeftOut, ...] = ((0, 1), (1, 2), (2, 3), (3, 4), (0, 4))  # a ring: each fold is in two
_DEVIATIONS_IN_QUARTILES = 1.349  # of a normal distribution


@dataclass(frozen=True, slots=True)
class Way:
    """
    One way from the logits of slices to the score of a patient.

    Parameters
    ----------
    top
        How many of the highest smoothed logits are averaged.
    reference
        What logits are standardised by, always of patients without a bleed whom the weights were trained on:
        `series`, mean and deviation of their scores; `slices`, median and quartiles of their smoothed slices.
    """

    top: int
    reference: Reference

    def __str__(self) -> str:
        """Name it as the card does."""
        by = "as they are" if self.reference == "none" else f"standardised by {self.reference}"
        return f"top {self.top}, {by}"


WAYS = tuple(Way(top, reference) for reference in ("none", "series", "slices") for top in (3, 1, 5))


@dataclass(frozen=True, slots=True)
class Truth:
    """Whether each patient has a bleed, and in which fold each is; both of shape (n_patients,)."""

    has_bleed: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.int64]


def standard(way: Way, truth: Truth, left_out: LeftOut, logits: Sequence[Array]) -> tuple[float, float]:
    """
    Return centre and scale by which a way standardises.

    Parameters
    ----------
    way
        With its reference.
    truth
        Of all patients.
    left_out
        Folds that the weights have not seen: their patients have no say.
    logits
        Of every patient, shape (n_slices,) each, by these weights.
    """
    if way.reference == "none":
        return 0.0, 1.0
    own = np.flatnonzero(~truth.has_bleed & ~np.isin(truth.folds, left_out))
    smooth = [smoothed_along_z(logits[int(k)]) for k in own]
    if way.reference == "series":
        scores = np.array([series_logit(each, way.top) for each in smooth])
        return float(scores.mean()), float(scores.std(ddof=1))
    low, middle, high = np.percentile(np.concatenate(smooth), [25, 50, 75])
    return float(middle), float(high - low) / _DEVIATIONS_IN_QUARTILES


def standardised(way: Way, truth: Truth, left_out: LeftOut, logits: Sequence[Array]) -> list[Array]:
    """Return the logits of every patient as a way has them; parameters as for `standard`."""
    centre, scale = standard(way, truth, left_out, logits)
    return [(each - centre) / scale for each in logits]


def scores_of(way: Way, truth: Truth, left_out: LeftOut, logits: Sequence[Array]) -> Array:
    """Return the score of every patient, a logit; parameters as for `standard`."""
    given = standardised(way, truth, left_out, logits)
    return np.array([series_logit(smoothed_along_z(each), way.top) for each in given])


def inner_auc(way: Way, outer: int, truth: Truth, by_left_out: ByLeftOut) -> float:
    """
    Return the AUC of the patients outside a fold, each scored by weights that saw neither them nor that fold.

    Parameters
    ----------
    way
        From slices to scores.
    outer
        The fold that has no say.
    truth
        Of all patients.
    by_left_out
        For pairs of folds left out, the logits of every patient.
    """
    scores, bleeds = [], []
    for left_out, logits in by_left_out.items():
        if outer in left_out and len(left_out) > 1:
            is_inner = np.isin(truth.folds, left_out) & (truth.folds != outer)
            scores.append(scores_of(way, truth, left_out, logits)[is_inner])
            bleeds.append(truth.has_bleed[is_inner])
    return auc(np.concatenate(scores), np.concatenate(bleeds))


@dataclass(frozen=True, slots=True)
class Choice:
    """
    What the inner splits chose.

    Parameters
    ----------
    by_fold
        The way of each fold, chosen without its patients.
    inner_auc
        For each way, the mean over the folds: by this the shipped one is chosen.
    """

    by_fold: tuple[Way, ...]
    inner_auc: Mapping[Way, float]

    @property
    def shipped(self) -> Way:
        """The way with the highest mean; of equal ones the first of `WAYS`."""
        return max(WAYS, key=lambda way: self.inner_auc[way])


def chosen(truth: Truth, by_left_out: ByLeftOut) -> Choice:
    """Choose a way for each fold by its inner splits, and one for what ships; parameters as for `inner_auc`."""
    found = np.array([[inner_auc(way, fold, truth, by_left_out) for way in WAYS] for fold in range(N_FOLDS)])
    best = tuple(WAYS[int(k)] for k in found.argmax(axis=1))
    return Choice(best, dict(zip(WAYS, found.mean(axis=0).tolist(), strict=True)))


def outer_scores(ways: Sequence[Way], truth: Truth, by_left_out: ByLeftOut) -> Array:
    """Return the score of every patient by weights that never saw it, each fold by its own of the ways."""
    scores = np.empty(len(truth.folds))
    for fold, way in enumerate(ways):
        own = truth.folds == fold
        scores[own] = scores_of(way, truth, (fold,), by_left_out[(fold,)])[own]
    return scores
