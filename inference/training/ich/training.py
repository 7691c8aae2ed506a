"""From pictures to weights in the bundle and figures beside them; every step is kept, so an interruption costs one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from inference.builtin.cards import FIGURES
from inference.builtin.lite_network import LastBlocks
from inference.training.ich.baseline import baseline
from inference.training.ich.caching import Cached, cached_maps, first_blocks
from inference.training.ich.card import write_tables
from inference.training.ich.crossvalidating import (
    Cohort,
    blocks_trained,
    frozen,
    logits_without,
    network_kept,
    out_of_fold,
    seed_without,
)
from inference.training.ich.evaluating import evaluate
from inference.training.ich.fitting import Recipe
from inference.training.ich.frozen import features_of
from inference.training.ich.inner import PAIRS, WAYS, ByLeftOut, LeftOut, Truth, Way, chosen, standard, standardised
from inference.training.ich.labelled import N_FOLDS, SEED, folds_of, read_patients
from inference.training.ich.locating import Located, located
from inference.training.ich.making import inserted_maps
from inference.training.ich.measuring import SPECIFICITY, Scored, figures, with_intervals
from inference.training.ich.phantoms import phantom_maps
from inference.training.ich.shipping import ship
from inference.training.ich.short_series import short_series
from inference.training.ich.small_bleeds import draw_largest_missed
from inference.training.ich.summing_up import by_fold, by_type, by_way, counts, of_boxes, of_phantoms, rounded
from inference.training.ich.thresholds import judged_across_folds, series_logits, threshold_at

RECIPE = Recipe()
INNER_STEPS = 220  # of the fits without two folds, which only choose the way from slices to patients
COPIES = (0, 1, 2, 3, 4, 5, 6)  # three augmented copies of each slice, and three more of those with a bleed
FROZEN_DECAYS = (0.01, 0.1)
OPERATING_POINT = 0.5  # the last layer is shifted so that the threshold lies there


def train(data: Path, work: Path, bundle: Path) -> dict[str, Any]:
    """
    Train, choose by inner splits, measure out of fold, train on all, ship.

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
    cached = tuple(cached_maps(patients, work / "cache", COPIES))
    made = tuple(inserted_maps(patients, work / "made"))
    cohort = Cohort(patients, cached, folds_of(patients), made, phantom_maps(work / "made"))
    keep = work / "runs" / "blocks"
    by_left_out = _logits(cohort, keep)
    truth = Truth(cohort.has_bleed, cohort.folds)
    choice = chosen(truth, by_left_out)
    way = choice.shipped
    scored = _scored(cohort, way, truth, by_left_out)
    threshold = threshold_at(SPECIFICITY, series_logits(scored), cohort.has_bleed)
    networks = _Networks(way, truth, by_left_out, keep, threshold)
    ship(first_blocks(), networks.without(()), bundle, OPERATING_POINT, way.top)
    shipped = evaluate(data, bundle)
    unseen_by = networks.unseen_by(cohort)
    found = {
        "data": counts(cohort),
        "seed": SEED,
        "recipe": {**asdict(RECIPE), "inner_steps": INNER_STEPS},
        "tried": _tried(cohort, scored, truth, by_left_out),
        "ways": by_way(choice, truth, by_left_out),
        "out_of_fold": {name: rounded(asdict(each)) for name, each in with_intervals(scored, SEED).items()},
        "patient_auc_by_fold": by_fold(cohort, scored),
        "by_type": by_type(cohort, scored),
        "thresholds_across_folds": asdict(judged_across_folds(scored, cohort.folds)),
        "inserted": of_boxes(_inserted(cohort, unseen_by)),
        "short_series": short_series(patients, first_blocks(), unseen_by, SEED, way.top),
        "phantoms": of_phantoms(shipped.phantoms, OPERATING_POINT),
        "operating_point": OPERATING_POINT,
        "reference_head": baseline(patients),
        "shipped": asdict(shipped),
    }
    path = bundle / FIGURES
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    write_tables(bundle, found)
    draw_largest_missed(bundle, shipped.small_bleeds, OPERATING_POINT)
    return found


class _Networks:
    """Kept networks whose logit of any bleed is standardised and 0 at the threshold, by a last layer that does it."""

    def __init__(self, way: Way, truth: Truth, by_left_out: ByLeftOut, keep: Path, threshold: float) -> None:
        self._way, self._truth, self._by_left_out = way, truth, by_left_out
        self._keep, self._threshold = keep, threshold

    def without(self, left_out: LeftOut) -> LastBlocks:
        network = network_kept(self._keep, seed_without(left_out))
        centre, scale = standard(self._way, self._truth, left_out, self._by_left_out[left_out])
        with torch.no_grad():
            network.answer.weight[0] /= scale
            network.answer.bias[0] = (network.answer.bias[0] - centre) / scale - self._threshold
        return network

    def unseen_by(self, cohort: Cohort) -> Callable[[int], LastBlocks]:
        """Return what gives, for the index of a patient, the network that never saw that patient."""
        networks = [self.without((fold,)) for fold in range(N_FOLDS)]
        return lambda index: networks[int(cohort.folds[index])]


def _logits(cohort: Cohort, keep: Path) -> ByLeftOut:
    """Train without each pair of folds, each fold, and none; score everybody by each."""
    fit, inner = blocks_trained(RECIPE, keep), blocks_trained(replace(RECIPE, steps=INNER_STEPS), keep)
    singles: list[LeftOut] = [(fold,) for fold in range(N_FOLDS)]
    found = {left_out: logits_without(cohort, fit, left_out, keep) for left_out in [(), *singles]}
    return found | {left_out: logits_without(cohort, inner, left_out, keep) for left_out in PAIRS}


def _scored(cohort: Cohort, way: Way, truth: Truth, by_left_out: ByLeftOut) -> list[Scored]:
    logits = [standardised(way, truth, (fold,), by_left_out[(fold,)]) for fold in range(N_FOLDS)]
    return [Scored(logits[int(cohort.folds[k])][k], each.is_bleed, way.top) for k, each in enumerate(cohort.patients)]


def _tried(cohort: Cohort, scored: list[Scored], truth: Truth, by_left_out: ByLeftOut) -> dict[str, dict[str, float]]:
    features = tuple(Cached(each.slices[:1], (features_of(each.maps[0]),)) for each in cohort.cached)
    plain = replace(cohort, cached=features, made=(), phantoms=None)
    tried = {f"frozen, decay {decay:g}": out_of_fold(plain, frozen(decay)) for decay in FROZEN_DECAYS}
    tried["blocks, logits as they are"] = _scored(cohort, WAYS[0], truth, by_left_out)
    tried["blocks, as shipped"] = scored
    return {name: rounded(figures(each)) for name, each in tried.items()}


def _inserted(cohort: Cohort, last_of: Callable[[int], LastBlocks]) -> list[Located]:
    without = [k for k, each in enumerate(cohort.patients) if not each.is_bleed.any()]
    return located([cohort.patients[k] for k in without], first_blocks(), lambda index: last_of(without[index]), SEED)
