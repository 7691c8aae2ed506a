"""The part of a series that is computed: the box of the lungs has a third to a tenth of the voxels of a chest CT."""

from __future__ import annotations

from inference.reference.lungs import Lungs, find_lungs
from inference.scope import OutOfScopeError, ScopeCode, ScopeReason
from inference.volume import Volume


def require_lungs(volume: Volume) -> Lungs:
    """
    Find the lungs.

    Raises
    ------
    OutOfScopeError
        Code anatomy when there are none.
    """
    lungs = find_lungs(volume)
    if lungs is None:
        raise OutOfScopeError(ScopeReason(ScopeCode.ANATOMY, "No lungs are found; a chest is asked."))
    return lungs


def crop_to_lungs(volume: Volume, lungs: Lungs) -> Volume:
    """Return the box of the lungs with its margin; a view, at its own place in the patient."""
    picks = tuple(slice(int(low), int(high) + 1) for low, high in zip(lungs.low, lungs.high, strict=True))
    origin = volume.to_patient_mm((float(picks[0].start), float(picks[1].start), float(picks[2].start)))
    return Volume(volume.voxels_hu[picks], origin, volume.slice_step_mm, volume.row_step_mm, volume.column_step_mm)
