"""From scores to what the card says: small tables of numbers, by fold, by type of bleed, of boxes and of phantoms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from inference.training.ich.crossvalidating import Cohort
from inference.training.ich.inner import ByLeftOut, Choice, Truth, Way, outer_scores
from inference.training.ich.labelled import N_FOLDS, TYPES
from inference.training.ich.locating import Located
from inference.training.ich.measuring import Scored, auc
from inference.training.ich.thresholds import series_logits


def counts(cohort: Cohort) -> dict[str, int]:
    """Return numbers of patients and slices, all and with a bleed."""
    return {
        "patients": len(cohort.patients),
        "patients_with_bleed": int(np.count_nonzero(cohort.has_bleed)),
        "slices": sum(len(each.files) for each in cohort.patients),
        "slices_with_bleed": sum(int(each.is_bleed.sum()) for each in cohort.patients),
    }


def by_way(choice: Choice, truth: Truth, by_left_out: ByLeftOut) -> dict[str, Any]:
    """Return what the inner splits chose, and what each way would have given out of fold, which chose nothing."""

    def _patient_auc(ways: Sequence[Way]) -> float:
        return round(auc(outer_scores(ways, truth, by_left_out), truth.has_bleed), 4)

    own = outer_scores(choice.by_fold, truth, by_left_out)
    folds = [truth.folds == fold for fold in range(N_FOLDS)]
    within = [auc(own[each], truth.has_bleed[each]) for each in folds]
    return {
        "shipped": str(choice.shipped),
        "chosen_by_fold": [str(way) for way in choice.by_fold],
        "patient_auc_of_these": round(auc(own, truth.has_bleed), 4),
        "patient_auc_of_these_within_folds": round(float(np.mean(within)), 4),
        "all": {
            str(way): {"inner_auc": round(value, 4), "patient_auc": _patient_auc([way] * N_FOLDS)}
            for way, value in choice.inner_auc.items()
        },
    }


def by_fold(cohort: Cohort, scored: Sequence[Scored]) -> list[float]:
    """Return the AUC of patients within each fold."""
    logits = series_logits(scored)
    own = [cohort.split((fold,))[1] for fold in range(N_FOLDS)]
    return [round(auc(logits[each], cohort.has_bleed[each]), 4) for each in own]


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


def of_boxes(found: Sequence[Located]) -> dict[str, float]:
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


def of_phantoms(scores: Mapping[str, tuple[float, float]], operating_point: float) -> dict[str, float]:
    """Return what phantoms score without and with the demo's bleed, and how many of each are flagged."""
    without, bleeding = [pair[0] for pair in scores.values()], [pair[1] for pair in scores.values()]
    return {
        "phantoms": len(without),
        "highest_without": round(max(without), 3),
        "flagged_without": sum(score >= operating_point for score in without),
        "lowest_with": round(min(bleeding), 3),
        "median_with": round(median(bleeding), 3),
        "highest_with": round(max(bleeding), 3),
        "flagged_with": sum(score >= operating_point for score in bleeding),
    }


def rounded(values: Mapping[str, float]) -> dict[str, float]:
    """Return values with four decimals."""
    return {name: round(value, 4) for name, value in values.items()}


def _share(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 3) if values else float("nan")
