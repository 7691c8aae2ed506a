"""The weights that ship, as the platform reads them, over training patients and phantoms: are they the card's still."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inference.builtin.cards import FIGURES
from inference.builtin.haemorrhage import Haemorrhage
from inference.training.ich.labelled import Patient, read_patients
from inference.training.ich.measuring import auc
from inference.training.ich.phantoms import BLEED, UNSEEN_SEEDS, unseen_phantom
from inference.training.ich.small_bleeds import SMALL_BLEEDS, SmallBleed
from inference.volume import Volume

TOLERANCE = 0.02
_PIXEL_MM = 0.36
_SLICE_MM = 5.0


@dataclass(frozen=True, slots=True)
class Found:
    """
    What the weights of a bundle say.

    Parameters
    ----------
    weights_digest
        Of weights and configuration.
    scores
        By number of the patient. The weights have seen these patients: this says that weights and code are those of
        the card, not how good they are.
    patient_auc_on_training_patients
        Of these scores.
    phantoms
        By seed, the score of a head phantom without a bleed and with that of the demo. Training had other seeds.
    small_bleeds
        By name, the score of a head phantom with a bleed that is smaller or fainter.
    """

    weights_digest: str
    scores: dict[str, float]
    patient_auc_on_training_patients: float
    phantoms: dict[str, tuple[float, float]]
    small_bleeds: dict[str, float]


def evaluate(
    data: Path,
    bundle: Path,
    numbers: Sequence[int] | None = None,
    seeds: Sequence[int] = UNSEEN_SEEDS,
    small_bleeds: Sequence[SmallBleed] = SMALL_BLEEDS,
) -> Found:
    """
    Score patients and phantoms with the weights of a bundle.

    Parameters
    ----------
    data
        Folder of CT-ICH.
    bundle
        With weights.
    numbers
        Which patients; None: all.
    seeds
        Of the phantoms.
    small_bleeds
        Which of them.
    """
    model = Haemorrhage(bundle)
    asked = [each for each in read_patients(data) if numbers is None or each.number in numbers]
    scores = [model.read(as_volume(each)).score for each in asked]
    truth = np.array([bool(each.is_bleed.any()) for each in asked], dtype=np.bool_)
    phantoms = {
        str(seed): (
            _rounded(model, unseen_phantom(seed, None)),
            _rounded(model, unseen_phantom(seed, BLEED)),
        )
        for seed in seeds
    }
    by_number = {str(each.number): round(score, 4) for each, score in zip(asked, scores, strict=True)}
    by_bleed = {each.name: _rounded(model, each.volume()) for each in small_bleeds}
    return Found(model.weights_digest, by_number, round(auc(np.array(scores), truth), 4), phantoms, by_bleed)


def _rounded(model: Haemorrhage, volume: Volume) -> float:
    return round(model.read(volume).score, 4)


def as_volume(patient: Patient) -> Volume:
    """Return a patient's pictures as a volume; the data set has no lengths, so they are 5 mm and 0.36 mm."""
    return Volume(
        patient.read_hu(), (0.0, 0.0, 0.0), (0.0, 0.0, _SLICE_MM), (0.0, _PIXEL_MM, 0.0), (_PIXEL_MM, 0.0, 0.0)
    )


def seen_again(found: Found, bundle: Path) -> bool:
    """Tell whether the weights are those of the card and every score lies within 0.02 of the card's."""
    kept: dict[str, Any] = json.loads((bundle / FIGURES).read_text(encoding="utf-8"))["shipped"]
    pairs = [(score, kept["scores"][number]) for number, score in found.scores.items()]
    for seed, scores in found.phantoms.items():
        pairs += zip(scores, kept["phantoms"][seed], strict=True)
    pairs += [(score, kept["small_bleeds"][name]) for name, score in found.small_bleeds.items()]
    return found.weights_digest == kept["weights_digest"] and all(abs(a - b) <= TOLERANCE for a, b in pairs)
