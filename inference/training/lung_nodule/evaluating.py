"""The weights that ship, as the platform reads them, on phantoms and on both real scans: are they the card's still."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inference.builtin.cards import FIGURES
from inference.builtin.nodule import LungNodule
from inference.model import LocatedFinding, Opinion
from inference.training.froc import Placed
from inference.training.lung_nodule.cases import PHANTOM, UNSEEN_PHANTOMS, unseen_case
from inference.training.lung_nodule.chests import DEMO_NODULES, THICK, THIN, demo_chest, phantom_chest, read_chest
from inference.training.lung_nodule.judging import Case, ignored_of
from inference.training.lung_nodule.placing import Chest
from voorrang.dicom.headers import Vector

TOLERANCE = 0.02
SHIPPED_ON = UNSEEN_PHANTOMS[:8]
_DEMO_NEAR_MM = 10.0


@dataclass(frozen=True, slots=True)
class Found:
    """
    What the weights of a bundle say.

    Parameters
    ----------
    weights_digest
        Of weights and configuration.
    phantoms
        By seed, scores of findings of a phantom that training did not have: `normal` the highest without nodules,
        `demo` those on the two nodules of the demo, `planted` those on nodules put in, `wrong` the highest beside them.
        0 where nothing is listed.
    scans
        By name of a real scan, as it is: `score` the highest, `mass` that on the real mass, and `mass_diameter_mm`. The
        weights have seen these scans, the masses left out.
    """

    weights_digest: str
    phantoms: dict[str, dict[str, list[float]]]
    scans: dict[str, dict[str, float]]


def evaluate(data: Path | None, bundle: Path, seeds: Sequence[int] = SHIPPED_ON) -> Found:
    """
    Read phantoms and, where they are, real scans with the weights of a bundle.

    Parameters
    ----------
    data
        Folder of the real scans; None: phantoms only.
    bundle
        With weights.
    seeds
        Of the phantoms.
    """
    model = LungNodule(bundle)
    scans = {name: _scan(model, read_chest(data, name)) for name in (THIN, THICK)} if data is not None else {}
    return Found(model.weights_digest, {str(seed): _phantom(model, seed) for seed in seeds}, scans)


def seen_again(found: Found, bundle: Path) -> bool:
    """Tell whether the weights are those of the card and every score lies within 0.02 of the card's."""
    kept: dict[str, Any] = json.loads((bundle / FIGURES).read_text(encoding="utf-8"))["shipped"]
    pairs: list[tuple[float, float]] = []
    for seed, scores in found.phantoms.items():
        for name, values in scores.items():
            pairs += zip(values, kept["phantoms"][seed][name], strict=True)
    for scan, values_ in found.scans.items():
        pairs += [(values_[name], kept["scans"][scan][name]) for name in ("score", "mass")]
    return found.weights_digest == kept["weights_digest"] and all(abs(a - b) <= TOLERANCE for a, b in pairs)


def _phantom(model: LungNodule, seed: int) -> dict[str, list[float]]:
    chest = phantom_chest(seed)
    planted = unseen_case(chest, PHANTOM, seed)
    scan = Case(PHANTOM, seed, planted.nodules, ()).judge(list(_placed(model.read(planted.volume))))
    demo = model.read(demo_chest(seed))
    return {
        "normal": [_rounded(model.read(chest.volume).score)],
        "demo": [_rounded(_highest_near(demo, nodule.position_mm)) for nodule in DEMO_NODULES],
        "planted": [_rounded(max(0.0, float(score))) for score in scan.nodules],
        "wrong": [_rounded(max(scan.false_positives, default=0.0))],
    }


def _scan(model: LungNodule, chest: Chest) -> dict[str, float]:
    opinion = model.read(chest.volume)
    on_mass = [f for f in opinion.findings if _is_on_mass(chest, f)]
    best = max(on_mass, key=lambda f: f.score, default=None)
    return {
        "score": _rounded(opinion.score),
        "findings": len(opinion.findings),
        "mass": _rounded(best.score if best else 0.0),
        "mass_place": opinion.findings.index(best) + 1 if best else 0,
        "mass_diameter_mm": (best.diameter_mm or 0.0) if best else 0.0,
        "above_point_elsewhere": sum(
            f.score >= model.operating_point for f in opinion.findings if not _is_on_mass(chest, f)
        ),
    }


def _is_on_mass(chest: Chest, finding: LocatedFinding) -> bool:
    place = finding.position_mm
    return place is not None and any(
        float(np.linalg.norm(np.subtract(place, spot.position_mm))) < spot.radius_mm for spot in ignored_of(chest)
    )


def _highest_near(opinion: Opinion, position_mm: Vector) -> float:
    """An attached nodule of the phantom is moved along x to the wall, so x does not count."""
    near = [
        f.score
        for f in opinion.findings
        if f.position_mm is not None
        and f.position_mm[0] * position_mm[0] > 0
        and float(np.linalg.norm(np.subtract(f.position_mm, position_mm)[1:])) < _DEMO_NEAR_MM
    ]
    return max(near, default=0.0)


def _placed(opinion: Opinion) -> Iterator[Placed]:
    for finding in opinion.findings:
        if finding.position_mm is not None:
            yield Placed(finding.position_mm, finding.score)


def _rounded(score: float) -> float:
    return round(float(score), 4)
