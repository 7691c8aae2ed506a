"""No scan and no seed on both sides; thresholds from the other side only; shuffled labels teach nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.builtin.nodule_network import NoduleNetwork, judged, outputs_of
from inference.builtin.nodule_patches import N_CUBES, N_FACTS, SIDE
from inference.training.ich.measuring import auc
from inference.training.lung_nodule.caching import CACHED_SIDE, MARGIN, Examples
from inference.training.lung_nodule.cases import (
    PHANTOM,
    TRAINING_PHANTOMS,
    UNSEEN_PHANTOMS,
    Variant,
    training_copy,
    unseen_case,
)
from inference.training.lung_nodule.chests import THICK, THIN
from inference.training.lung_nodule.fitting import Recipe, changed
from inference.training.lung_nodule.folds import FOLDS, WITHOUT_THICK, WITHOUT_THIN, Fold, networks_for
from inference.training.lung_nodule.placing import Chest
from tests.unit.inference.chests import make_chest
from voorrang.demo.studies import DEMO_SEED

N = 200
MIDDLE = slice(MARGIN, MARGIN + SIDE)


def make_examples(seed: int, mark_hu: int) -> Examples:
    """Noise; nodules have a bright ball in the middle where `mark_hu` is above 0."""
    rng = np.random.default_rng(seed)
    cubes = rng.integers(0, 60, (N, N_CUBES, *(CACHED_SIDE,) * 3), dtype=np.uint8)
    is_nodule = np.arange(N) % 2 == 0
    at = np.indices((CACHED_SIDE,) * 3) - CACHED_SIDE / 2 + 0.5
    ball = np.sqrt((at**2).sum(axis=0)) < 4
    cubes[np.ix_(is_nodule, list(range(N_CUBES)))] += (ball * mark_hu).astype(np.uint8)
    facts = rng.normal(0, 1, (N, N_FACTS)).astype(np.float32)
    return Examples(cubes, facts, np.where(is_nodule, 8.0, 0.0).astype(np.float32))


def unseen_auc(examples: tuple[Examples, ...], keep: Path) -> float:
    """Area under the curve over all scans, each judged by the network that was fitted without it."""
    by_source = dict(zip((THIN, THICK, PHANTOM), examples, strict=True))
    scores, truth = [], []
    for fold in (WITHOUT_THIN, WITHOUT_THICK):
        networks = networks_for(fold, by_source.__getitem__, Recipe(steps=60, batch=24, averaging=0.9, members=1), keep)
        other = by_source[fold.judged_on[0]]
        cubes = np.ascontiguousarray(other.cubes[:, :, MIDDLE, MIDDLE, MIDDLE])
        scores.append(judged(outputs_of(networks, cubes, other.facts))[:, 0])
        truth.append(other.is_nodule)
    return auc(np.concatenate(scores), np.concatenate(truth))


def test_no_scan_is_trained_on_and_judged_on() -> None:
    for fold in FOLDS:
        assert set(fold.trained_on) & set(fold.judged_on) <= {PHANTOM}
    assert {scan for fold in FOLDS for scan in fold.judged_on} == {THIN, THICK, PHANTOM}
    assert len({fold.seed for fold in FOLDS}) == len(FOLDS)


def test_no_phantom_of_a_training_seed_is_judged_on_or_in_the_demo() -> None:
    assert not set(TRAINING_PHANTOMS) & set(UNSEEN_PHANTOMS)
    assert DEMO_SEED not in TRAINING_PHANTOMS


@pytest.mark.parametrize("fold", FOLDS, ids=lambda fold: fold.name)
def test_a_network_is_fitted_with_the_examples_of_its_own_sources_only(
    fold: Fold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_source = {source: make_examples(k, 0) for k, source in enumerate((THIN, THICK, PHANTOM))}
    given: list[Examples] = []
    seeds: list[int] = []

    def fit(examples: Examples, recipe: Recipe, seed: int) -> torch.nn.Module:
        given.append(examples)
        seeds.append(seed)
        return NoduleNetwork()

    monkeypatch.setattr("inference.training.lung_nodule.folds.fitted", fit)
    networks_for(fold, by_source.__getitem__, Recipe(), tmp_path)
    networks_for(fold, by_source.__getitem__, Recipe(draw=1), tmp_path)
    expected = np.concatenate([by_source[source].facts for source in fold.trained_on])
    assert len(given) == len(set(seeds)) == 2 * Recipe().members
    assert all((examples.facts == expected).all() for examples in given)
    assert not {seed for seed in seeds[1:]} & {other.seed for other in FOLDS}


def test_nodules_of_training_copies_are_not_those_of_cases_of_the_same_number() -> None:
    chest = Chest.of("made", make_chest(seed=3))
    trained = training_copy(chest, Variant(PHANTOM, 3.0, 1), 101)
    case = unseen_case(chest, PHANTOM, 101)
    assert not {n.position_mm for n in trained.nodules} & {n.position_mm for n in case.nodules}


def test_labels_that_tell_something_are_learnt(tmp_path: Path) -> None:
    assert unseen_auc(tuple(make_examples(k, 120) for k in range(3)), tmp_path) > 0.9


def test_shuffled_labels_teach_nothing(tmp_path: Path) -> None:
    shuffled = []
    for k in range(3):
        examples = make_examples(k, 120)
        order = np.random.default_rng(50 + k).permutation(N)
        shuffled.append(replace(examples, diameters_mm=examples.diameters_mm[order]))
    assert unseen_auc(tuple(shuffled), tmp_path) == pytest.approx(0.5, abs=0.08)


def test_a_changed_cube_is_smaller_and_keeps_its_middle() -> None:
    cubes = np.zeros((N_CUBES, *(CACHED_SIDE,) * 3), np.uint8)
    cubes[:, 8:14, 8:14, 8:14] = 200
    for seed in range(5):
        out = changed(cubes, np.random.default_rng(seed))
        assert out.shape == (N_CUBES, SIDE, SIDE, SIDE)
        assert (out[:, 9:11, 9:11, 9:11] > 150).all()
