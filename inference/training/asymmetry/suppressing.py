"""How often a flag for a bleed suppresses the score, in patients with and without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inference.builtin.asymmetry.model import Asymmetry
from inference.scope import OutOfScopeError, ScopeCode
from inference.training.ich.baseline import with_bone
from inference.training.ich.labelled import Patient


@dataclass(frozen=True, slots=True)
class Suppressed:
    """
    Counts of patients.

    Parameters
    ----------
    patients
        All.
    suppressed
        Of whom a model for bleeds flags.
    refused
        In whom no closed skull or no head is found.
    flagged
        Of whom the asymmetry score is at or above the operating point.
    """

    patients: int
    suppressed: int
    refused: int
    flagged: int


def suppressed(patients: Sequence[Patient], model: Asymmetry | None = None) -> Suppressed:
    """
    Read patients with the whole model.

    Parameters
    ----------
    patients
        Of CT-ICH. `ich` was trained on them: it flags more of those with a bleed here than it would elsewhere.
    model
        None: the one that ships.
    """
    model = model or Asymmetry()
    said = [_said(model, patient) for patient in patients]
    return Suppressed(len(said), said.count(ScopeCode.BLEED_FLAGGED), said.count(ScopeCode.ANATOMY), said.count(None))


def _said(model: Asymmetry, patient: Patient) -> ScopeCode | str | None:
    """Return the code of the refusal, None for a flag, or an empty string for a score without a flag."""
    try:
        score = model.read(with_bone(patient)).score
    except OutOfScopeError as error:
        return error.reasons[0].code
    return None if score >= model.operating_point else ""
