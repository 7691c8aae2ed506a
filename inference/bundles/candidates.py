"""Findings from marked voxels: joined to candidates, each judged by a second network where there is one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference.bundles.classifying import classify
from inference.bundles.computing import Computing
from inference.bundles.contract import Candidates, FindingType
from inference.bundles.image import Image, Points
from inference.bundles.region import Region
from inference.bundles.segmenting import Inference, Map, segment
from inference.model import LocatedFinding

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    Voxels that belong together.

    Parameters
    ----------
    low, high
        Index (x, y, z) of the first voxel of its box, and the one after the last.
    n_voxels
        Marked voxels.
    centre
        Index of its centre of mass, denser voxels counting more.
    score
        Highest of its voxels, 0..1.
    """

    low: Points
    high: Points
    n_voxels: int
    centre: Points
    score: float


class CandidateReader:
    """
    Reads candidates.

    Parameters
    ----------
    asked
        Of the contract.
    kind
        Finding type of each.
    computing
        The networks.
    inferer
        Cuts volumes into windows; None: the whole at once.
    """

    def __init__(self, asked: Candidates, kind: FindingType, computing: Computing, inferer: Inference | None) -> None:
        self._asked, self._kind, self._computing, self._inferer = asked, kind, computing, inferer

    def __call__(self, image: Image, region: Region) -> list[LocatedFinding]:
        """Return the candidates of a region of an image, each with its score."""
        asked = self._asked
        with self._computing.active():
            scores = segment(image, region.picks, asked.segmenter, self._computing, self._inferer)
            found = find_candidates(image, region, scores, asked)
            if asked.classifier is None:
                judged = [candidate.score for candidate in found]
            else:
                centres = [candidate.centre for candidate in found]
                judged = classify(image, centres, asked.classifier, self._computing)
        return [_finding(image, each, score, self._kind) for each, score in zip(found, judged, strict=True)]


def find_candidates(image: Image, region: Region, scores: Map, asked: Candidates) -> list[Candidate]:
    """
    Join marked voxels that touch by a face.

    Parameters
    ----------
    image
        What was segmented.
    region
        Of it.
    scores
        Array of shape (x, y, z) of the region, 0..1.
    asked
        Threshold, erosion, and which candidates count.
    """
    marked = scores > asked.segmenter.threshold
    kept = ndimage.binary_erosion(marked, iterations=asked.erode) if asked.erode else marked
    labels, _ = ndimage.label(kept)
    found = []
    for number, part in enumerate(ndimage.find_objects(labels), start=1):
        wider = tuple(slice(max(0, s.start - asked.erode), s.stop + asked.erode) for s in part)
        own = _grown(labels[wider] == number, marked[wider], asked.erode)
        voxels = np.argwhere(own).astype(np.int64)
        start = np.array([s.start for s in wider], np.int64) + np.array(region.first, np.int64)
        if len(voxels) >= asked.min_voxels and region.is_near(image, voxels + start, asked.near_lungs_mm):
            found.append(_candidate(image, voxels + start, float(scores[wider][own].max())))
    return found


def _grown(own: Mask, marked: Mask, by: int) -> Mask:
    """Return what a candidate was before it was eroded."""
    if not by:
        return own
    return np.asarray(
        ndimage.binary_dilation(own, np.ones((3, 3, 3), np.bool_), iterations=by, mask=marked), dtype=np.bool_
    )


def _candidate(image: Image, voxels: npt.NDArray[np.int64], score: float) -> Candidate:
    values = image.voxels[0].numpy()[tuple(voxels.T)].astype(np.float64)
    weights = values - values.min() + 1.0
    return Candidate(
        low=voxels.min(axis=0).astype(np.float64),
        high=voxels.max(axis=0) + 1.0,
        n_voxels=len(voxels),
        centre=np.asarray(np.average(voxels, axis=0, weights=weights), dtype=np.float64),
        score=score,
    )


def _finding(image: Image, candidate: Candidate, score: float, kind: str) -> LocatedFinding:
    volume_mm3 = candidate.n_voxels * float(np.prod(image.spacing_mm))
    return LocatedFinding(
        type=kind,
        score=score,
        position_mm=image.position_mm(candidate.centre),
        diameter_mm=round((6.0 * volume_mm3 / np.pi) ** (1 / 3), 1),  # of the ball of that volume
        box_mm=image.box_mm(candidate.low - 0.5, candidate.high - 0.5),  # from edge to edge of its voxels
    )
