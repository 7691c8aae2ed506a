"""No patient in two folds; normalisation and thresholds from training folds only; shuffled labels teach nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from inference.training.ich.caching import Cached
from inference.training.ich.crossvalidating import (
    Cohort,
    Scorer,
    Training,
    frozen,
    logits_without,
    out_of_fold,
    seed_without,
)
from inference.training.ich.inner import PAIRS, WAYS, Truth, Way, chosen, outer_scores, standard
from inference.training.ich.labelled import N_FOLDS, Patient, folds_of
from inference.training.ich.making import Made
from inference.training.ich.measuring import Scored, auc
from inference.training.ich.thresholds import judged_across_folds, threshold_at

N_PATIENTS, N_SLICES = 60, 20


def make_patients(rng: np.random.Generator) -> tuple[Patient, ...]:
    made = []
    for number in range(N_PATIENTS):
        types = np.zeros((N_SLICES, 5), np.bool_)
        if number % 2:
            types[8 : 8 + int(rng.integers(2, 9)), 0] = True
        files = tuple(Path(f"{number}/{k}") for k in range(N_SLICES))
        made.append(Patient(number, files, types))
    return tuple(made)


def make_cohort(patients: tuple[Patient, ...], rng: np.random.Generator) -> Cohort:
    """Each slice as 24 numbers, one of which knows of the bleed."""
    cached = []
    for patient in patients:
        maps = rng.normal(0, 1, (N_SLICES, 24)).astype(np.float16)
        maps[:, 5] += 3 * patient.is_bleed
        cached.append(Cached((np.arange(N_SLICES),), (maps,)))
    made = tuple(Made(np.zeros((1, 24), np.float16), np.ones((1, 6), np.bool_)) for _ in patients)
    return Cohort(patients, tuple(cached), folds_of(patients), made)


@pytest.fixture
def cohort() -> Cohort:
    rng = np.random.default_rng(7)
    return make_cohort(make_patients(rng), rng)


def slice_auc(scored: Sequence[Scored]) -> float:
    return auc(np.concatenate([s.logits for s in scored]), np.concatenate([s.is_bleed for s in scored]))


def test_every_patient_is_in_one_fold_and_folds_are_alike(cohort: Cohort) -> None:
    for fold in range(N_FOLDS):
        train, test = cohort.split((fold,))
        assert not set(train) & set(test)
        assert len(train) + len(test) == N_PATIENTS
        assert sum(bool(cohort.patients[k].is_bleed.any()) for k in test) == N_PATIENTS / 2 / N_FOLDS
    assert (folds_of(cohort.patients) == cohort.folds).all()


@pytest.mark.parametrize("left_out", [(), (2,), (1, 3), (0, 4)])
def test_weights_are_fitted_without_the_patients_of_the_folds_that_are_left_out(
    cohort: Cohort, left_out: tuple[int, ...]
) -> None:
    given: list[set[int]] = []

    def fit(seen: Training, seed: int) -> Scorer:
        assert seed == seed_without(left_out)
        given.append({id(each) for each in (*seen.cached, *seen.made)})
        return lambda maps: np.zeros(len(maps))

    logits_without(cohort, fit, left_out)
    is_out = np.isin(cohort.folds, left_out)
    of = [
        {id(each[k]) for each in (cohort.cached, cohort.made) for k in np.flatnonzero(is_out == out)} for out in (0, 1)
    ]
    assert given == [of[0]]
    assert not given[0] & of[1]


def test_no_two_fits_share_a_seed() -> None:
    left_out = [(), *((fold,) for fold in range(N_FOLDS)), *PAIRS]
    assert len({seed_without(each) for each in left_out}) == len(left_out) == 11


def test_normalisation_knows_nothing_of_the_fold_that_is_scored(cohort: Cohort) -> None:
    before = out_of_fold(cohort, frozen(0.01))
    odd = int(np.flatnonzero(cohort.folds == 2)[0])
    cohort.cached[odd].maps[0][:] *= 50
    after = out_of_fold(cohort, frozen(0.01))
    for k in np.flatnonzero(cohort.folds == 2):
        assert (k == odd) != np.allclose(before[k].logits, after[k].logits)


def test_labels_that_tell_something_are_learnt(cohort: Cohort) -> None:
    assert slice_auc(out_of_fold(cohort, frozen(0.01))) > 0.95


def test_shuffled_labels_teach_nothing(cohort: Cohort) -> None:
    rng = np.random.default_rng(11)
    shuffled = []
    for patient in cohort.patients:
        types = rng.permutation(patient.types)
        shuffled.append(Patient(patient.number, patient.files, types))
    scored = out_of_fold(Cohort(tuple(shuffled), cohort.cached, cohort.folds), frozen(0.01))
    assert slice_auc(scored) == pytest.approx(0.5, abs=0.08)


def test_an_interrupted_run_goes_on_with_the_same_answer(cohort: Cohort, tmp_path: Path) -> None:
    whole = out_of_fold(cohort, frozen(0.01), keep=tmp_path)
    (tmp_path / "logits-3.npz").unlink()
    again = out_of_fold(cohort, frozen(0.01), keep=tmp_path)
    assert all(np.allclose(a.logits, b.logits) for a, b in zip(whole, again, strict=True))


def test_the_threshold_of_a_fold_knows_nothing_of_it() -> None:
    """Two folds: the second one's negatives are all high, and only the first one's flags can follow from that."""
    none, some = np.zeros(3, np.bool_), np.ones(3, np.bool_)
    scored = [
        Scored(np.full(3, value), truth) for value, truth in ((0.0, none), (1.0, some), (10.0, none), (11.0, some))
    ]
    judged = judged_across_folds(scored, np.array([0, 0, 1, 1]))
    assert (judged.true_positive, judged.positive) == (1, 2)
    assert (judged.true_negative, judged.negative) == (1, 2)


def test_the_threshold_lies_between_the_ninth_and_tenth_of_ten_negatives() -> None:
    logits = np.arange(12, dtype=float)
    assert threshold_at(0.9, logits, np.array([False] * 10 + [True] * 2)) == 8.5


def make_truth() -> Truth:
    """Eight patients in each of five folds, half of them with a bleed."""
    return Truth(np.tile([False, True], 20), np.repeat(np.arange(N_FOLDS), 8))


def make_logits(truth: Truth, shift_by_fit: float = 0.0) -> dict[tuple[int, ...], list[np.ndarray]]:
    """Slices of every patient by every fit; patients with a bleed lie higher, and each fit is shifted by its own."""
    rng = np.random.default_rng(4)
    made = {}
    for number, left_out in enumerate([(), *((fold,) for fold in range(N_FOLDS)), *PAIRS]):
        shift = shift_by_fit * (number * 7 % 5)
        made[left_out] = [rng.normal(2.5 * bleed + shift, 1, 12) for bleed in truth.has_bleed]
    return made


def test_the_way_of_a_fold_is_chosen_without_its_patients() -> None:
    truth = make_truth()
    logits = make_logits(truth, shift_by_fit=2.0)
    before = chosen(truth, logits)
    for left_out, each in logits.items():
        if len(left_out) < 2:
            each[:] = [np.zeros(12)] * len(each)  # weights that the choice must not look at
        for k in np.flatnonzero(truth.folds == 2):
            each[k] = np.full(12, 1e6)
    assert chosen(truth, logits).by_fold[2] == before.by_fold[2]


def test_what_standardises_is_patients_without_a_bleed_whom_the_weights_were_trained_on() -> None:
    truth = make_truth()
    logits = make_logits(truth)[(1, 2)]
    for way in WAYS:
        before = standard(way, truth, (1, 2), logits)
        changed = [
            each * 100 if truth.has_bleed[k] or truth.folds[k] in (1, 2) else each for k, each in enumerate(logits)
        ]
        assert standard(way, truth, (1, 2), changed) == before


@pytest.mark.parametrize("reference", ["series", "slices"])
def test_fits_that_are_shifted_against_each_other_are_told_by_the_inner_splits(reference: str) -> None:
    """Within each fold the order is perfect; pooled it is not, until logits are standardised."""
    truth = make_truth()
    logits = make_logits(truth, shift_by_fit=4.0)
    plain, level = Way(3, "none"), Way(3, reference)  # type: ignore[arg-type]
    choice = chosen(truth, logits)
    assert choice.inner_auc[level] > choice.inner_auc[plain] + 0.1
    assert choice.shipped.reference != "none"
    pooled = [auc(outer_scores([way] * N_FOLDS, truth, logits), truth.has_bleed) for way in (plain, level)]
    assert pooled[1] > 0.95 > pooled[0] + 0.1


def test_of_equal_ways_the_first_is_chosen() -> None:
    truth = make_truth()
    same = {
        left_out: [np.full(12, float(bleed)) + rank * 1e-9 for rank, bleed in enumerate(truth.has_bleed)]
        for left_out in make_logits(truth)
    }
    assert chosen(truth, same).shipped == WAYS[0]
