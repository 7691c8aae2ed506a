"""Folds of patients: each patient is scored by what was fitted on the other folds."""

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

from inference.builtin.lite_network import LastBlocks
from inference.training.ich.caching import Cached, Maps
from inference.training.ich.fitting import Examples, Logits, Recipe, fitted, logits_of
from inference.training.ich.frozen import fitted_logistic
from inference.training.ich.labelled import N_FOLDS, SEED, Patient
from inference.training.ich.making import Made
from inference.training.ich.measuring import Scored

Labels = npt.NDArray[np.bool_]
LeftOut = tuple[int, ...]
Scorer = Callable[[Maps], Logits]
Fit = Callable[["Training", int], Scorer]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Training:
    """Maps and labels of some patients, what was made of their slices, and phantoms."""

    cached: tuple[Cached, ...]
    labels: tuple[Labels, ...]
    made: tuple[Made, ...] = ()
    phantoms: Made | None = None


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
        For every fold alike, since they are nobody; None: without.
    """

    patients: tuple[Patient, ...]
    cached: tuple[Cached, ...]
    folds: npt.NDArray[np.int64]
    made: tuple[Made, ...] = ()
    phantoms: Made | None = None

    @property
    def has_bleed(self) -> npt.NDArray[np.bool_]:
        """Shape (n_patients,)."""
        return np.array([bool(each.is_bleed.any()) for each in self.patients])

    def split(self, left_out: LeftOut) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return indices of the patients of the other folds, and of these."""
        is_out = np.isin(self.folds, left_out)
        return np.flatnonzero(~is_out), np.flatnonzero(is_out)

    def training(self, left_out: LeftOut) -> Training:
        """Return what training without these folds may see, and nothing else."""
        indices, _ = self.split(left_out)
        made = tuple(self.made[k] for k in indices) if self.made else ()
        labels = tuple(labels_of(self.patients[k]) for k in indices)
        return Training(tuple(self.cached[k] for k in indices), labels, made, self.phantoms)


def labels_of(patient: Patient) -> Labels:
    """Return shape (n_slices, 6): any bleed, and each type."""
    return np.concatenate([patient.is_bleed[:, None], patient.types], axis=1)


def seed_without(left_out: LeftOut) -> int:
    """Return the seed of a fit that leaves no fold, one, or two out."""
    if not left_out:
        return SEED + N_FOLDS
    return SEED + left_out[0] if len(left_out) == 1 else SEED + 100 + 10 * left_out[0] + left_out[1]


def logits_without(cohort: Cohort, fit: Fit, left_out: LeftOut, keep: Path | None = None) -> list[Logits]:
    """
    Score every patient by what was fitted without some folds.

    Parameters
    ----------
    cohort
        All patients.
    fit
        From the training patients and a seed to what scores maps.
    left_out
        The folds. Their patients are unseen; the others are scored too, to standardise by.
    keep
        Folder for the logits, so that an interruption costs one fit; None: not kept.

    Returns
    -------
    list of ndarray
        Logits of slices, shape (n_slices,), in the order of the patients.
    """
    path = keep / f"logits-{'-'.join(map(str, left_out))}.npz" if keep is not None else None
    if path is not None and path.is_file():
        with np.load(path) as kept:
            return [kept[str(k)] for k in range(len(cohort.patients))]
    scorer = fit(cohort.training(left_out), seed_without(left_out))
    logits = [scorer(each.maps[0]) for each in cohort.cached]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        named: dict[str, Any] = {str(k): each for k, each in enumerate(logits)}
        np.savez(path, **named)
    _log.info(json.dumps({"left_out": left_out, "train": len(cohort.split(left_out)[0])}))
    return logits


def out_of_fold(cohort: Cohort, fit: Fit, keep: Path | None = None) -> list[Scored]:
    """Score every patient by what never saw them, in the order of the patients; parameters as for `logits_without`."""
    by_fold = [logits_without(cohort, fit, (fold,), keep) for fold in range(N_FOLDS)]
    return [Scored(by_fold[int(cohort.folds[k])][k], each.is_bleed) for k, each in enumerate(cohort.patients)]


def blocks_trained(recipe: Recipe, keep: Path) -> Fit:
    """
    Return how the last blocks are fitted by a recipe.

    Parameters
    ----------
    recipe
        How.
    keep
        Folder for the weights, one file for each seed: what is there is not trained again.
    """

    def _fit(given: Training, seed: int) -> Scorer:
        if not _weights(keep, seed).is_file():
            network = fitted(Examples(given.cached, given.labels, given.made, given.phantoms), recipe, seed)
            keep.mkdir(parents=True, exist_ok=True)
            torch.save(network.state_dict(), _weights(keep, seed))
        kept = network_kept(keep, seed)
        return lambda maps: logits_of(kept, maps)

    return _fit


def network_kept(keep: Path, seed: int) -> LastBlocks:
    """Return a network that `blocks_trained` has kept."""
    network = LastBlocks()
    network.load_state_dict(torch.load(_weights(keep, seed), weights_only=True))
    return network.eval().requires_grad_(False)


def frozen(decay: float) -> Fit:
    """Return how logistic regression is fitted, on a cohort whose maps are features (`with_features`)."""
    return lambda given, _: fitted_logistic([each.maps[0] for each in given.cached], given.labels, decay)


def _weights(keep: Path, seed: int) -> Path:
    return keep / f"weights-{seed}.pt"
