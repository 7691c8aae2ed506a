"""From pictures to weights in the bundle and figures beside them; every step is kept, so an interruption costs one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inference.builtin.lite_network import LastBlocks
from inference.builtin.series_score import probability
from inference.training.ich.baseline import baseline
from inference.training.ich.caching import cached_maps, first_blocks
from inference.training.ich.card import write_tables
from inference.training.ich.crossvalidating import Cohort, blocks_trained, frozen, out_of_fold
from inference.training.ich.evaluating import FIGURES, evaluate
from inference.training.ich.fitting import Recipe, described
from inference.training.ich.labelled import N_FOLDS, SEED, TYPES, folds_of, read_patients
from inference.training.ich.locating import Located, located
from inference.training.ich.making import inserted_maps
from inference.training.ich.measuring import SPECIFICITY, Scored, auc, figures, with_intervals
from inference.training.ich.phantoms import phantom_maps
from inference.training.ich.shipping import ship
from inference.training.ich.short_series import short_series
from inference.training.ich.thresholds import judged_across_folds, series_logits, threshold_at

RECIPES = {
    "blocks-made": Recipe(steps=260, rate=6e-4, last_rate=2e-3, brain_weight=3.0, made_share=0.2),
}
CHOSEN = "blocks-made"
COPIES = (0, 1, 4, 5, 6)  # one augmented copy of each slice, and three more of those with a bleed
FROZEN_DECAYS = (0.01, 0.1)


def train(data: Path, work: Path, bundle: Path) -> dict[str, Any]:
    """
    Train, measure out of fold, train on all, ship.

    Parameters
    ----------
    data
        Folder of CT-ICH.
    work
        For what is kept between runs.
    bundle
        Gets weights, digest, operating point and `docs/figures.json`.

    Returns
    -------
    dict
        What `docs/figures.json` holds.
    """
    patients = read_patients(data)
    cohort = Cohort(
        patients,
        tuple(cached_maps(patients, work / "cache", COPIES)),
        folds_of(patients),
        tuple(inserted_maps(patients, work / "made")),
        (phantom_maps(work / "made"),),
    )
    tried = {f"frozen, decay {decay:g}": out_of_fold(cohort, frozen(decay)) for decay in FROZEN_DECAYS}
    for name, recipe in RECIPES.items():
        keep = work / "runs" / name
        tried[name] = out_of_fold(cohort, blocks_trained(recipe, keep), keep)
    scored = tried[CHOSEN]
    has_bleed = np.array([bool(each.is_bleed.any()) for each in scored])
    threshold = threshold_at(SPECIFICITY, series_logits(scored), has_bleed)
    last_of = _by_patient(cohort, work / "runs" / CHOSEN)
    ship(first_blocks(), _on_all(cohort, work), bundle, float(probability(threshold)))
    made = {
        "data": _counts(cohort),
        "seed": SEED,
        "chosen": CHOSEN,
        "recipe": described(RECIPES[CHOSEN]),
        "tried": {name: _rounded(figures(each)) for name, each in tried.items()},
        "out_of_fold": {name: _rounded(asdict(each)) for name, each in with_intervals(scored, SEED).items()},
        "patient_auc_by_fold": _by_fold(cohort, scored),
        "by_type": by_type(cohort, scored),
        "thresholds_across_folds": asdict(judged_across_folds(scored, cohort.folds)),
        "inserted": summed_up(_inserted(cohort, last_of)),
        "short_series": short_series(patients, first_blocks(), last_of, SEED),
        "shipped_on_training_patients": asdict(evaluate(data, bundle)),
        "reference_head": baseline(patients),
    }
    path = bundle / FIGURES
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    write_tables(bundle, made)
    return made


def by_type(cohort: Cohort, scored: Sequence[Scored]) -> dict[str, dict[str, float]]:
    """Return for each type of bleed the number of patients and the AUC against the patients without any."""
    logits = series_logits(scored)
    has = np.stack([each.types.any(axis=0) for each in cohort.patients])
    none = ~has.any(axis=1)
    return {
        name: {
            "patients": int(np.count_nonzero(own)),
            "patient_auc": round(auc(logits[own | none], own[own | none]), 3),
        }
        for name, own in zip(TYPES, has.T, strict=True)
    }


def summed_up(found: Sequence[Located]) -> dict[str, float]:
    """Return hit rates of boxes, all and by shape, and what a random place would hit."""
    blobs = [each for each in found if each.is_blob]
    crescents = [each for each in found if not each.is_blob]
    return {
        "bleeds": len(found),
        "patients": len({each.patient for each in found}),
        "hit_rate": _share([each.is_hit for each in found]),
        "hit_rate_blobs": _share([each.is_hit for each in blobs]),
        "blobs": len(blobs),
        "hit_rate_crescents": _share([each.is_hit for each in crescents]),
        "crescents": len(crescents),
        "box_share_of_head": _share([each.box_share for each in found]),
        "slice_logit_rises": _share([each.logit_after > each.logit_before for each in found]),
    }


def _share(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 3) if values else float("nan")


def _on_all(cohort: Cohort, work: Path) -> LastBlocks:
    keep, seed = work / "runs" / CHOSEN, SEED + N_FOLDS
    if not _weights(keep, seed).is_file():
        blocks_trained(RECIPES[CHOSEN], keep)(cohort.training(np.arange(len(cohort.patients))), seed)
    return _loaded(keep, seed)


def _weights(keep: Path, seed: int) -> Path:
    return keep / f"weights-{seed}.pt"


def _loaded(keep: Path, seed: int) -> LastBlocks:
    network = LastBlocks()
    network.load_state_dict(torch.load(_weights(keep, seed), weights_only=True))
    return network.eval().requires_grad_(False)


def _by_patient(cohort: Cohort, keep: Path) -> Callable[[int], LastBlocks]:
    """Return what gives, for the index of a patient, the weights that never saw that patient."""
    by_fold = {fold: _loaded(keep, SEED + fold) for fold in range(N_FOLDS)}
    return lambda index: by_fold[int(cohort.folds[index])]


def _inserted(cohort: Cohort, last_of: Callable[[int], LastBlocks]) -> list[Located]:
    without = [k for k, each in enumerate(cohort.patients) if not each.is_bleed.any()]
    chosen = [cohort.patients[k] for k in without]
    return located(chosen, first_blocks(), lambda index: last_of(without[index]), SEED)


def _by_fold(cohort: Cohort, scored: Sequence[Scored]) -> list[float]:
    return [round(figures([scored[k] for k in cohort.split(fold)[1]])["patient_auc"], 4) for fold in range(N_FOLDS)]


def _counts(cohort: Cohort) -> dict[str, int]:
    return {
        "patients": len(cohort.patients),
        "patients_with_bleed": sum(bool(each.is_bleed.any()) for each in cohort.patients),
        "slices": sum(len(each.files) for each in cohort.patients),
        "slices_with_bleed": sum(int(each.is_bleed.sum()) for each in cohort.patients),
    }


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}
