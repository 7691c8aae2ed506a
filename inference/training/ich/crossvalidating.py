"""Five folds of patients: each is scored by what was fitted on the other four."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
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
from inference.training.ich.making import Made
from inference.training.ich.measuring import Scored

Labels = npt.NDArray[np.bool_]
Scorer = Callable[[npt.NDArray[np.float16]], Logits]
Fit = Callable[["Training", int], Scorer]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Training:
    """Maps and labels of some patients, and what was made of their slices."""

    cached: tuple[Cached, ...]
    labels: tuple[Labels, ...]
    made: tuple[Made, ...] = ()


@dataclass(frozen=True, slots=True)
class Cohort:
    """
    Patients, their maps, their folds and what was made of their slices, in the same order; and phantoms.

    Parameters
    ----------
    patients, cached, folds
        As they come.
    made
        One for each patient; empty when nothing was made.
    phantoms
        For every fold alike, since they are nobody.
    """

    patients: tuple[Patient, ...]
    cached: tuple[Cached, ...]
    folds: npt.NDArray[np.int64]
    made: tuple[Made, ...] = ()
    phantoms: tuple[Made, ...] = ()

    def split(self, fold: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return indices of the patients of the other folds, and of this one."""
        return np.flatnonzero(self.folds != fold), np.flatnonzero(self.folds == fold)

    def training(self, indices: npt.NDArray[np.intp]) -> Training:
        """Return what training on these patients may see, and nothing else."""
        made = [self.made[k] for k in indices] if self.made else []
        labels = tuple(labels_of(self.patients[k]) for k in indices)
        return Training(tuple(self.cached[k] for k in indices), labels, (*made, *self.phantoms))


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
        From the training patients and a seed to what scores maps.
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
    scorer = fit(cohort.training(train), seed + fold)
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

    def _fit(given: Training, seed: int) -> Scorer:
        network = fitted(Examples(given.cached, given.labels, given.made), recipe, seed)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            torch.save(network.state_dict(), keep / f"weights-{seed}.pt")
        return lambda maps: logits_of(network, maps)

    return _fit


def frozen(decay: float) -> Fit:
    """Return how logistic regression on frozen features is fitted."""

    def _fit(given: Training, _: int) -> Scorer:
        return fitted_logistic(given.cached, [each[:, 0] for each in given.labels], decay)

    return _fit
