"""No patient in two folds; normalisation and thresholds from training folds only; shuffled labels teach nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from inference.training.ich import frozen as frozen_module
from inference.training.ich.caching import Cached
from inference.training.ich.crossvalidating import Cohort, Scorer, Training, frozen, out_of_fold
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
def cohort(monkeypatch: pytest.MonkeyPatch) -> Cohort:
    def as_they_are(maps: npt.NDArray[np.float16]) -> npt.NDArray[np.float64]:
        return maps.astype(np.float64)

    monkeypatch.setattr(frozen_module, "features_of", as_they_are)
    rng = np.random.default_rng(7)
    return make_cohort(make_patients(rng), rng)


def slice_auc(scored: Sequence[Scored]) -> float:
    return auc(np.concatenate([s.logits for s in scored]), np.concatenate([s.is_bleed for s in scored]))


def test_every_patient_is_in_one_fold_and_folds_are_alike(cohort: Cohort) -> None:
    for fold in range(N_FOLDS):
        train, test = cohort.split(fold)
        assert not set(train) & set(test)
        assert len(train) + len(test) == N_PATIENTS
        assert sum(bool(cohort.patients[k].is_bleed.any()) for k in test) == N_PATIENTS / 2 / N_FOLDS
    assert (folds_of(cohort.patients) == cohort.folds).all()


def test_a_fold_is_fitted_without_its_patients(cohort: Cohort) -> None:
    given: list[set[int]] = []

    def fit(seen: Training, _: int) -> Scorer:
        given.append({id(each) for each in (*seen.cached, *seen.made)})
        return lambda maps: np.zeros(len(maps))

    out_of_fold(cohort, fit)
    for fold, seen in enumerate(given):
        train, test = cohort.split(fold)
        assert seen == {id(each[k]) for each in (cohort.cached, cohort.made) for k in train}
        assert not seen & {id(each[k]) for each in (cohort.cached, cohort.made) for k in test}


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
    own = [Scored(each.logits, rng.permutation(each.is_bleed)) for each in scored]
    assert slice_auc(own) == pytest.approx(0.5, abs=0.08)


def test_an_interrupted_run_goes_on_with_the_same_answer(cohort: Cohort, tmp_path: Path) -> None:
    whole = out_of_fold(cohort, frozen(0.01), keep=tmp_path)
    (tmp_path / "fold-3.npz").unlink()
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
