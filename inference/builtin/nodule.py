"""The trained model for lung nodules and masses on chest CT."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inference.builtin.axial import as_seen
from inference.builtin.cards import FOLDER
from inference.builtin.nodule_candidates import Candidate, find_candidates
from inference.builtin.nodule_network import Outputs, judged, networks_of, outputs_of
from inference.builtin.nodule_patches import Bytes, Facts, Patches, at_all_scales, facts_of
from inference.builtin.shipped import LungCandidates, ShippedBundle, ShippedModel
from inference.model import LocatedFinding, Opinion
from inference.reference.lungs import find_lungs
from inference.reference.nodule_rules import Mark, strongest
from inference.scope import OutOfScopeError, ScopeCode, ScopeReason
from inference.volume import Volume
from voorrang.errors import ConfigurationError

MAX_FINDINGS = 10
MASS_OVER_MM = 30.0  # Hansell et al., Fleischner Society glossary, Radiology 2008;246:697-722


class LungNodule(ShippedModel):
    """
    Mark lung nodules and masses: candidates by rules, each judged by a few small networks.

    Its card, docs/models/lung-nodule.md, says on what it was trained and what was measured. Research. Not CE-marked.
    Not for clinical use.

    Parameters
    ----------
    folder
        Of the bundle; None: the one that ships.

    Raises
    ------
    ConfigurationError
        When its weights are missing, or not those of its contract.
    """

    def __init__(self, folder: Path | None = None) -> None:
        bundle = ShippedBundle(folder or FOLDER / "lung-nodule")
        if not isinstance(bundle.contract.reading, LungCandidates):
            raise ConfigurationError(f"reading is {bundle.contract.reading.kind}, expected lung_candidates")
        super().__init__(bundle)
        self._networks = networks_of(bundle.weights())

    def read(self, volume: Volume) -> Opinion:
        """
        Read one volume.

        Parameters
        ----------
        volume
            Of axial slices, HU.

        Returns
        -------
        Opinion
            At most ten findings, highest score first; the score of the whole is that of the highest, 0 where nothing is
            listed.

        Raises
        ------
        OutOfScopeError
            Code anatomy when there are no lungs.
        """
        seen = as_seen(volume)
        candidates = candidates_of(seen)
        outputs = outputs_of(self._networks, candidates.cubes, candidates.facts)
        kept = marks_of(outputs, candidates, seen, MAX_FINDINGS, self._listed_from)
        findings = tuple(self._finding(seen, one) for one in kept)
        return Opinion(max((finding.score for finding in findings), default=0.0), findings)

    def _finding(self, volume: Volume, one: Mark) -> LocatedFinding:
        position = volume.to_patient_mm(one.index)
        return LocatedFinding(
            type="lung_mass" if one.diameter_mm > MASS_OVER_MM else self._label,
            score=round(one.score, 4),
            position_mm=position,
            diameter_mm=round(one.diameter_mm, 1),
            box_mm=volume.box_around(position, one.diameter_mm),
        )


@dataclass(frozen=True, slots=True)
class Candidates:
    """What may be a nodule in a chest, and what networks are shown of each: its cubes and its facts."""

    found: list[Candidate]
    cubes: Bytes
    facts: Facts


def candidates_of(volume: Volume) -> Candidates:
    """
    Return what networks are to judge in a chest CT.

    Parameters
    ----------
    volume
        Rows to the back, columns to the left, slices upwards.

    Raises
    ------
    OutOfScopeError
        Code anatomy when there are no lungs.
    """
    lungs = find_lungs(volume)
    if lungs is None:
        raise OutOfScopeError(ScopeReason(ScopeCode.ANATOMY, "No lungs are found; a chest is asked."))
    scales = at_all_scales(volume, lungs)
    found = find_candidates(scales.fine, lungs, volume.spacing_mm)
    return Candidates(found, Patches(scales).of(found), facts_of(found, volume.spacing_mm[0]))


def marks_of(outputs: Outputs, candidates: Candidates, volume: Volume, at_most: int, from_score: float) -> list[Mark]:
    """
    Return what networks together mark in a chest CT, one mark for each thing, the highest first.

    Parameters
    ----------
    outputs
        Of the networks, on these candidates.
    candidates
        Of this volume.
    volume
        Rows to the back, columns to the left, slices upwards.
    at_most, from_score
        How many are kept, and from which score.
    """
    pairs = zip(candidates.found, judged(outputs), strict=True)
    marks = (Mark(c.index, float(size), float(score)) for c, (score, size) in pairs)
    return strongest(marks, volume.spacing_mm, at_most, from_score)
