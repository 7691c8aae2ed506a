"""Single slices as another department's pictures: another window and size, repeated with noise to a short series."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from inference.builtin.head_slices import as_channels, find_frames, upright
from inference.builtin.lite_network import FirstBlocks, LastBlocks
from inference.builtin.series_score import series_logit, smoothed_along_z
from inference.training.ich.labelled import Patient
from inference.training.ich.measuring import auc

_REPEATS = 5
_SIZE = 0.79
_WINDOW_HU = (0.0, 80.0)
_NOISE_HU = 2.0
_BRAIN_FROM_BASE = (0.45, 0.9)
_SLICES = 2  # of each patient


def short_series(
    patients: Sequence[Patient], first: FirstBlocks, last_of: Callable[[int], LastBlocks], seed: int, top: int
) -> dict[str, float]:
    """
    Score short series made of single slices.

    Parameters
    ----------
    patients
        All; of those with a bleed slices that show it, of the others slices of the brain.
    first, last_of
        The network; its last blocks by the index of the patient, so that each is judged by what never saw it.
    seed
        Of the choice of slices and of the noise.
    top
        How many of the highest logits make the score.

    Returns
    -------
    dict
        `series`, their number, and `auc`.
    """
    scores, truth = [], []
    for index, patient in enumerate(patients):
        rng = np.random.default_rng([seed, patient.number])
        hu = patient.read_hu()
        for k in rng.choice(_choice(patient), min(_SLICES, len(_choice(patient))), replace=False):
            scores.append(_score(_from_elsewhere(hu[k], rng), first, last_of(index), top))
            truth.append(bool(patient.is_bleed[k]))
    return {"series": len(scores), "auc": round(auc(np.array(scores), np.array(truth)), 4)}


def _choice(patient: Patient) -> npt.NDArray[np.intp]:
    if patient.is_bleed.any():
        return np.flatnonzero(patient.is_bleed)
    low, high = (int(share * len(patient.files)) for share in _BRAIN_FROM_BASE)
    return np.arange(low, high)


def _from_elsewhere(hu: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    picture = np.clip(ndimage.zoom(hu, _SIZE, order=1), *_WINDOW_HU)
    noise = rng.normal(0, _NOISE_HU, (_REPEATS, *picture.shape))
    return (picture[None] + noise).astype(np.float32)


def _score(slices: npt.NDArray[np.float32], first: FirstBlocks, last: LastBlocks, top: int) -> float:
    frames = find_frames(slices)
    given = np.stack([as_channels(*upright(frames, k)) for k in range(len(slices))])
    with torch.inference_mode():
        logits = last.bleed_logits(first(torch.from_numpy(given))).numpy().astype(np.float64)
    return series_logit(smoothed_along_z(logits), top)
