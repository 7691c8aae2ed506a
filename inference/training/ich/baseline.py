"""The rules that the model must beat, on the same patients: `reference-head`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from inference.builtin.head_slices import WINDOW_HU
from inference.reference.head import ReferenceHead
from inference.scope import OutOfScopeError
from inference.training.ich.evaluating import as_volume
from inference.training.ich.labelled import Patient
from inference.training.ich.measuring import auc
from inference.volume import Volume

_BONE_HU, _AIR_HU = 1000.0, -1000.0


def with_bone(patient: Patient) -> Volume:
    """Return a patient's pictures as a volume in which what the brain window cut off is bone and air again."""
    volume = as_volume(patient)
    hu = volume.voxels_hu
    hu = np.where(hu >= WINDOW_HU[1] - 1, np.float32(_BONE_HU), hu)
    hu = np.where(hu <= WINDOW_HU[0] + 1, np.float32(_AIR_HU), hu)
    return replace(volume, voxels_hu=hu)


def baseline(patients: Sequence[Patient]) -> dict[str, float]:
    """
    Return the patient AUC of `reference-head`.

    Parameters
    ----------
    patients
        All of them.

    Returns
    -------
    dict
        `scored`, the number of patients it scored; `patient_auc_scored` among these, and `patient_auc` with the
        others as lowest. What the brain window cut off is given back as bone and air, since its rules need both.
    """
    model = ReferenceHead()
    scores = []
    for patient in patients:
        try:
            scores.append(model.read(with_bone(patient)).score)
        except OutOfScopeError:
            scores.append(-1.0)
    values, truth = np.array(scores), np.array([bool(each.is_bleed.any()) for each in patients])
    own = values >= 0
    return {
        "scored": int(np.count_nonzero(own)),
        "patient_auc_scored": round(auc(values[own], truth[own]), 4),
        "patient_auc": round(auc(values, truth), 4),
    }
