"""The experimental asymmetry score: which region of the brain is darker than its mirror image, where no bleed is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources

from inference.builtin.asymmetry.aligning import head_frame
from inference.builtin.asymmetry.comparing import Difference, differences
from inference.builtin.asymmetry.folding import folded
from inference.builtin.asymmetry.regions import Region, regions_of
from inference.builtin.haemorrhage import Haemorrhage
from inference.model import LocatedFinding, Model, Opinion
from inference.reference.brain import Brain, find_brain
from inference.reference.head import ReferenceHead
from inference.scope import OutOfScopeError, ScopeCode, ScopeReason
from inference.volume import Volume
from voorrang.statement import RESEARCH, Shows

MODEL_ID = "asymmetry"
VERSION = "1-experimental"
OPERATING_POINT = 0.5
EVEN_MULTIPLE = 2.874  # of what is usual: it has score 0.5; nine in ten of the 14 heads of `USUAL_HU` lie below
STEEPNESS = 4.0

_LISTED_FROM = 0.1
_SOURCES = ("aligning.py", "comparing.py", "folding.py", "model.py", "regions.py")


class Asymmetry:
    """
    Compare left and right in the brain by coarse regions, and name the one that is darker by most.

    An experiment: there is no truth to train or to measure it on. Its card, docs/models/asymmetry.md, has what was
    measured on dark regions that were put in. It shows its flag alone, and a person cannot give it an influence.
    Research. Not CE-marked. Not for clinical use.

    Parameters
    ----------
    bleed_models
        Where one of these flags the volume, no score is given; None: `ich` and `reference-head`.
    """

    model_id = MODEL_ID
    version = VERSION
    operating_point = OPERATING_POINT
    scope = ReferenceHead.scope
    shows = Shows.FLAG
    statement = f"{RESEARCH} Experimental: never measured against a truth."

    def __init__(self, bleed_models: Sequence[Model] | None = None) -> None:
        self._bleed_models = (ReferenceHead(), Haemorrhage()) if bleed_models is None else tuple(bleed_models)

    @property
    def weights_digest(self) -> str:
        """SHA-256, hexadecimal, of the sources of the rules and of the digests of what may suppress it."""
        digest = hashlib.sha256(_sources_digest().encode())
        for model in self._bleed_models:
            digest.update(model.weights_digest.encode())
        return digest.hexdigest()

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
            The score of the region farthest over what is usual, and that region where it scored 0.1 or more. The
            type of the finding names side, third and half; its position is where it is darker by most.

        Raises
        ------
        OutOfScopeError
            When there is no closed skull with a brain in it, or one of the models for bleeds does not read the volume
            (code `anatomy`), and where one of them flags it (code `bleed_flagged`).
        """
        brain = find_brain(volume)
        for model in self._bleed_models:
            _require_unflagged(model, volume)
        found = compared(brain)
        if not found:
            raise OutOfScopeError(ScopeReason(ScopeCode.ANATOMY, "No region has tissue enough on both sides."))
        top = found[0]
        score = score_of(top)
        if score < _LISTED_FROM:
            return Opinion(score, ())
        return Opinion(score, (LocatedFinding(finding_type(top.region), score, top.position_mm, None),))


def compared(brain: Brain) -> tuple[Difference, ...]:
    """Compare the regions of a brain, whether or not there is a bleed; the one farthest over what is usual first."""
    frame = head_frame(brain)
    return differences(folded(brain, frame), regions_of(brain, frame))


def score_of(difference: Difference) -> float:
    """
    Return the score of a region.

    Parameters
    ----------
    difference
        Of one region.

    Returns
    -------
    float
        `m**4 / (m**4 + e**4)` with m the multiple of what is usual and e `EVEN_MULTIPLE`: 0 without a difference, 0.5
        where m is e, near 1 far above. It is no probability.
    """
    power = (difference.over_usual / EVEN_MULTIPLE) ** STEEPNESS
    return float(power / (1 + power))


def finding_type(region: Region) -> str:
    """Return the type of a finding, such as `asymmetry_left_middle_upper`."""
    return f"{MODEL_ID}_{region.name}"


def _require_unflagged(model: Model, volume: Volume) -> None:
    score = model.read(volume).score
    if score >= model.operating_point:
        text = (
            f"{model.model_id} flags a possible bleed in these images ({score:.2f}, from {model.operating_point:.2f} "
            f"on): left and right are not compared."
        )
        raise OutOfScopeError(ScopeReason(ScopeCode.BLEED_FLAGGED, text))


@cache
def _sources_digest() -> str:
    digest = hashlib.sha256()
    package = resources.files("inference.builtin.asymmetry")
    for name in _SOURCES:
        digest.update((package / name).read_bytes())
    return digest.hexdigest()
