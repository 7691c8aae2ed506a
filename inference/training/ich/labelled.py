"""The labelled slices of CT-ICH (Hssayeni et al., Data 2020;5(1):14), and who is in which fold."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from inference.builtin.head_slices import WINDOW_HU

TYPES = ("Intraventricular", "Intraparenchymal", "Subarachnoid", "Epidural", "Subdural")
N_FOLDS = 5
SEED = 20261125

Slices = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Patient:
    """
    One patient's slices, from the neck up.

    Parameters
    ----------
    number
        As in the data set.
    files
        Pictures of slices, in order.
    types
        Shape (n_slices, 5), of `TYPES`.
    """

    number: int
    files: tuple[Path, ...]
    types: npt.NDArray[np.bool_]

    @property
    def is_bleed(self) -> npt.NDArray[np.bool_]:
        """Shape (n_slices,), True where any type is marked."""
        return np.asarray(self.types.any(axis=1), dtype=np.bool_)

    def read_hu(self) -> Slices:
        """Return shape (n_slices, rows, columns), HU; a brain window of level 40 and width 120 undone."""
        low, high = WINDOW_HU
        grey = np.stack([np.asarray(Image.open(file).convert("L"), dtype=np.float32) for file in self.files])
        return grey * np.float32((high - low) / 255) + np.float32(low)


def read_patients(folder: Path) -> tuple[Patient, ...]:
    """Return the patients of whom there are pictures, by number; rows of the table without a picture are left out."""
    rows: dict[int, list[tuple[int, list[bool]]]] = {}
    with (folder / "hemorrhage_diagnosis.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            types = [row[name] == "1" for name in TYPES]
            rows.setdefault(int(row["PatientNumber"]), []).append((int(row["SliceNumber"]), types))
    made = (_patient(folder, number, sorted(each)) for number, each in sorted(rows.items()))
    return tuple(patient for patient in made if patient.files)


def folds_of(patients: Sequence[Patient], seed: int = SEED) -> npt.NDArray[np.int64]:
    """
    Put whole patients into folds, with and without bleeds spread evenly.

    Parameters
    ----------
    patients
        All of them.
    seed
        Another one gives other folds.

    Returns
    -------
    ndarray of shape (n_patients,)
        Fold of each patient, 0 to 4.
    """
    rng = np.random.default_rng(seed)
    folds = np.empty(len(patients), np.int64)
    counted = np.array([np.count_nonzero(patient.is_bleed) for patient in patients])
    start = 0
    for group in (np.flatnonzero(counted > 0), np.flatnonzero(counted == 0)):
        ordered = rng.permutation(group)
        ordered = ordered[np.argsort(-counted[ordered], kind="stable")]
        for at in range(0, len(ordered), N_FOLDS):
            part = ordered[at : at + N_FOLDS]
            folds[part] = (rng.permutation(N_FOLDS)[: len(part)] + start) % N_FOLDS
    return folds


def _patient(folder: Path, number: int, slices: list[tuple[int, list[bool]]]) -> Patient:
    there = [(folder / "brain" / f"{number:03d}" / f"{k:02d}.jpg", types) for k, types in slices]
    there = [(file, types) for file, types in there if file.is_file()]
    types = np.array([types for _, types in there], dtype=np.bool_).reshape(-1, len(TYPES))
    return Patient(number, tuple(file for file, _ in there), types)
