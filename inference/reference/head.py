"""The reference model for head CT without contrast: transparent rules for blood inside the brain."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

from inference.model import LocatedFinding, Opinion
from inference.reference.brain import Brain, find_brain
from inference.reference.hyperdense import Region, find_regions
from inference.reference.symmetry import mid_sagittal_plane
from inference.volume import Volume
from voorrang.pathways.criteria import SeriesCriteria

MODEL_ID = "reference-head"
VERSION = "1"
FINDING_TYPE = "hyperdense_region"
OPERATING_POINT = 0.42  # between 100 normal phantoms (at most 0.38) and bleeds of 12 mm off the midline (0.49)

_SOURCES = ("brain.py", "symmetry.py", "hyperdense.py", "head.py")
_THICKNESS_MM = (4.0, 10.0)
_OVER_MEDIAN_HU = (10.0, 22.0)
_OVER_MIRROR_HU = (4.0, 18.0)
_MIN_LISTED_SCORE = 0.1
_MAX_FINDINGS = 10


class ReferenceHead:
    """
    Find dense, compact, one-sided regions inside the brain.

    Rules without training, so that the platform can be shown and tested end to end, and so that a trained
    model has a floor to beat. It looks for bleeds in the brain itself, from about 12 mm: blood along the
    skull, in the sulci, at the vertex and at the foramen magnum is beyond it, and so is a faint small one on
    the midline. Research. Not CE-marked. Not for clinical use.

    Notes
    -----
    The score of a region is `size * (contrast + asymmetry) / 2`, each 0..1 and linear between two ends:
    thickness 4 to 10 mm; mean above the brain's median 10 to 22 HU; mean above the mirror image 4 to 18 HU (0
    where there is no mirror image). The score of a volume is that of its best region, 0 without any.
    """

    model_id = MODEL_ID
    version = VERSION
    operating_point = OPERATING_POINT
    scope = SeriesCriteria(
        region="head",
        contrast=False,
        slice_thickness_mm=(0.5, 5.0),
        kernel="soft",
        min_coverage_mm=112.0,
    )

    @property
    def weights_digest(self) -> str:
        """SHA-256, hexadecimal, of the sources that make the rules: what weights are to a network."""
        return _sources_digest()

    def read(self, volume: Volume) -> Opinion:
        """
        Read one volume.

        Parameters
        ----------
        volume
            A head CT without contrast, any orientation of rows and columns, tilted or not.

        Returns
        -------
        Opinion
            The best region's score, and the regions that scored 0.1 or more, at most ten, the best first.

        Raises
        ------
        OutOfScopeError
            When there is no closed skull with a brain in it (code `anatomy`).
        """
        brain = find_brain(volume)
        scored = [(score(r), r) for r in find_regions(brain, mid_sagittal_plane(brain))]
        scored.sort(key=lambda pair: -pair[0])
        listed = [pair for pair in scored if pair[0] >= _MIN_LISTED_SCORE][:_MAX_FINDINGS]
        return Opinion(
            score=scored[0][0] if scored else 0.0,
            findings=tuple(_located(brain, region, value) for value, region in listed),
        )


def score(region: Region) -> float:
    """Return the score 0..1 of one region; the formula is in `ReferenceHead`."""
    size = _share(region.thickness_mm, _THICKNESS_MM)
    contrast = _share(region.over_median_hu, _OVER_MEDIAN_HU)
    asymmetry = 0.0 if region.over_mirror_hu is None else _share(region.over_mirror_hu, _OVER_MIRROR_HU)
    return size * (contrast + asymmetry) / 2


def _share(value: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _located(brain: Brain, region: Region, value: float) -> LocatedFinding:
    return LocatedFinding(
        type=FINDING_TYPE,
        score=value,
        position_mm=brain.volume.to_patient_mm(region.centre),
        diameter_mm=region.diameter_mm,
        box_mm=region.box_mm,
    )


@cache
def _sources_digest() -> str:
    digest = hashlib.sha256()
    package = resources.files("inference.reference")
    for name in _SOURCES:
        digest.update((package / name).read_bytes())
    return digest.hexdigest()
