"""Reference model for lung nodules and masses: blobs in the lungs, scored by rules that need no weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

from inference.model import LocatedFinding, Opinion
from inference.reference.blobs import FINEST_MM, find_blobs
from inference.reference.grids import sample
from inference.reference.lungs import find_lungs
from inference.reference.nodule_rules import Mark, mark, strongest
from inference.scope import OutOfScopeError, ScopeCode, ScopeReason
from inference.volume import Volume
from voorrang.pathways.criteria import SeriesCriteria

MAX_FINDINGS = 10
REPORT_FROM_SCORE = 0.15
OPERATING_POINT = 0.26  # vessels of normal phantoms stay below 0.22, their 6 mm nodules begin at 0.3
MASS_OVER_MM = 30.0  # Hansell et al., Fleischner Society glossary, Radiology 2008;246:697-722

_RULES = ("lung.py", "lungs.py", "blobs.py", "balls.py", "nodule_rules.py", "grids.py")


class ReferenceLung:
    """
    Marks solid nodules and masses in chest CT; a named baseline, not a product.

    Ground glass is not looked for. In slices thicker than a nodule is wide the score falls.
    """

    model_id = "reference-lung"
    version = "1"
    operating_point = OPERATING_POINT
    scope = SeriesCriteria(region="chest", slice_thickness_mm=(0.5, 5.0), min_coverage_mm=150.0, max_tilt_degrees=10.0)

    @property
    def weights_digest(self) -> str:
        """SHA-256, hex, of the sources: the rules are the weights."""
        folder = Path(__file__).parent
        return hashlib.sha256(b"\0".join((folder / name).read_bytes() for name in _RULES)).hexdigest()

    def read(self, volume: Volume) -> Opinion:
        """
        Mark the nodules of a chest CT.

        Parameters
        ----------
        volume
            Of axial slices, HU.

        Returns
        -------
        Opinion
            At most 10 findings, highest score first; the score of the whole is that of the highest.

        Raises
        ------
        OutOfScopeError
            Code anatomy when there are no lungs.
        """
        lungs = find_lungs(volume)
        if lungs is None:
            raise OutOfScopeError(ScopeReason(ScopeCode.ANATOMY, "No lungs are found; a chest is asked."))
        grid = sample(volume.voxels_hu, volume.spacing_mm, lungs.low, lungs.high, FINEST_MM)
        marks = (mark(blob, volume.spacing_mm[0]) for blob in find_blobs(grid, lungs))
        kept = strongest(marks, volume.spacing_mm, MAX_FINDINGS, REPORT_FROM_SCORE)
        findings = tuple(_finding(volume, one) for one in kept)
        return Opinion(max((finding.score for finding in findings), default=0.0), findings)


def _finding(volume: Volume, one: Mark) -> LocatedFinding:
    position = volume.to_patient_mm(one.index)
    return LocatedFinding(
        type="lung_mass" if one.diameter_mm > MASS_OVER_MM else "lung_nodule",
        score=round(one.score, 4),
        position_mm=position,
        diameter_mm=round(one.diameter_mm, 1),
        box_mm=volume.box_around(position, one.diameter_mm),
    )
