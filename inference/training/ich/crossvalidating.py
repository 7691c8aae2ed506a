"""Five folds of patients: each is scored by what was fitted on the other four."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from inference.training.ich.caching import Cached
from inference.training.ich.fitting import Examples, Logits, Recipe, fitted, logits_of
from inference.training.ich.frozen import fitted_logistic
from inference.training.ich.labelled import N_FOLDS, SEED, Patient
from inference.training.ich.measuring import Scored

Labels = npt.NDArray[np.bool_]
Scorer = Callable[[npt.NDArray[np.float16]], Logits]
Fit = Callable[[Sequence[Cached], Sequence[Labels], int], Scorer]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cohort:
    """Patients, their maps and their folds, in the same order."""

    patients: tuple[Patient, ...]
    cached: tuple[Cached, ...]
    folds: npt.NDArray[np.int64]

    def split(self, fold: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return indices of the patients of the other folds, and of this one."""
        return np.flatnonzero(self.folds != fold), np.flatnonzero(self.folds == fold)


def labels_of(patient: Patient) -> Labels:
    """Return shape (n_slices, 6): any bleed, and each type."""
    return np.concatenate([patient.is_bleed[:, None], patient.types], axis=1)


def out_of_fold(cohort: Cohort, fit: Fit, keep: Path | None = None, seed: int = SEED) -> list[Scored]:
    """
    Score every patient by what never saw them.

    Parameters
    ----------
    cohort
        All patients.
    fit
        From maps and labels of the training patients and a seed to what scores maps.
    keep
        Folder for the logits of each fold, so that an interruption costs one; None: not kept.
    seed
        The fold is added to it.

    Returns
    -------
    list of Scored
        In the order of the patients.
    """
    logits: dict[int, Logits] = {}
    for fold in range(N_FOLDS):
        logits |= _fold(cohort, fit, fold, keep, seed)
    return [Scored(logits[k], cohort.patients[k].is_bleed) for k in range(len(cohort.patients))]


def _fold(cohort: Cohort, fit: Fit, fold: int, keep: Path | None, seed: int) -> dict[int, Logits]:
    train, test = cohort.split(fold)
    path = keep / f"fold-{fold}.npz" if keep is not None else None
    if path is not None and path.is_file():
        with np.load(path) as kept:
            return {int(k): kept[str(k)] for k in test}
    scorer = fit([cohort.cached[k] for k in train], [labels_of(cohort.patients[k]) for k in train], seed + fold)
    made = {int(k): scorer(cohort.cached[k].maps[0]) for k in test}
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        named: dict[str, Any] = {str(k): each for k, each in made.items()}
        np.savez(path, **named)
    _log.info(json.dumps({"fold": fold, "train": len(train), "test": len(test)}))
    return made


def blocks_trained(recipe: Recipe, keep: Path | None = None) -> Fit:
    """
    Return how the last blocks are fitted by a recipe.

    Parameters
    ----------
    recipe
        How.
    keep
        Folder for the weights, one file for each seed; None: not kept.
    """

    def _fit(cached: Sequence[Cached], labels: Sequence[Labels], seed: int) -> Scorer:
        network = fitted(Examples(cached, labels), recipe, seed)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            torch.save(network.state_dict(), keep / f"weights-{seed}.pt")
        return lambda maps: logits_of(network, maps)

    return _fit


def frozen(decay: float) -> Fit:
    """Return how logistic regression on frozen features is fitted."""

    def _fit(cached: Sequence[Cached], labels: Sequence[Labels], _: int) -> Scorer:
        return fitted_logistic(cached, [each[:, 0] for each in labels], decay)

    return _fit
