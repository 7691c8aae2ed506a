"""The weights that ship, read as the platform reads them, over patients they were trained on: are they the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference.builtin.haemorrhage import Haemorrhage
from inference.training.ich.labelled import Patient, read_patients
from inference.training.ich.measuring import auc
from inference.volume import Volume

FIGURES = "docs/figures.json"
TOLERANCE = 0.02
_PIXEL_MM = 0.36
_SLICE_MM = 5.0


@dataclass(frozen=True, slots=True)
class Found:
    """
    Scores of series by number of the patient, and their patient AUC.

    The weights have seen these patients: this says that weights and code are those of the card, not how good.
    """

    weights_digest: str
    scores: dict[int, float]
    patient_auc_on_training_patients: float


def evaluate(data: Path, bundle: Path, numbers: Sequence[int] | None = None) -> Found:
    """
    Score patients with the weights of a bundle.

    Parameters
    ----------
    data
        Folder of CT-ICH.
    bundle
        With weights.
    numbers
        Which patients; None: all.
    """
    model = Haemorrhage(bundle)
    patients = [each for each in read_patients(data) if numbers is None or each.number in numbers]
    scores = {each.number: model.read(as_volume(each)).score for each in patients}
    truth = np.array([bool(each.is_bleed.any()) for each in patients])
    return Found(model.weights_digest, scores, auc(np.array(list(scores.values())), truth))


def as_volume(patient: Patient) -> Volume:
    """Return a patient's pictures as a volume; the data set has no lengths, so they are 5 mm and 0.36 mm."""
    return Volume(
        patient.read_hu(), (0.0, 0.0, 0.0), (0.0, 0.0, _SLICE_MM), (0.0, _PIXEL_MM, 0.0), (_PIXEL_MM, 0.0, 0.0)
    )


def seen_again(found: Found, bundle: Path) -> bool:
    """Tell whether every score lies within 0.02 of that on the card."""
    kept = json.loads((bundle / FIGURES).read_text(encoding="utf-8"))["shipped_on_training_patients"]["scores"]
    return all(abs(score - kept[str(number)]) <= TOLERANCE for number, score in found.scores.items())
