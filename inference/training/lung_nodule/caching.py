"""Candidates of training copies as cubes on disk, each told to be a nodule or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inference.builtin.nodule_candidates import Candidate, find_candidates
from inference.builtin.nodule_network import USUAL_DIAMETER_MM
from inference.builtin.nodule_patches import SIDE, Bytes, Facts, Patches, at_all_scales, facts_of
from inference.training.lung_nodule.cases import (
    PHANTOM,
    SEED,
    TRAINING_PHANTOMS,
    VARIANTS,
    Variant,
    as_variant,
    training_copy,
    training_phantom,
)
from inference.training.lung_nodule.chests import read_chest
from inference.training.lung_nodule.placing import Chest, Planted

MARGIN = 1
CACHED_SIDE = SIDE + 2 * MARGIN

_CENTRAL, _OUTSIDE = 0.7, 1.2  # of the radius: nearer is a nodule, further is none, between is not used
_CENTRAL_MM = 1.0
_NEAR_MM = 15.0
_FAR_KEPT = 60
_PHANTOM_KEPT = 500

Values = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Examples:
    """
    Candidates to learn from.

    Parameters
    ----------
    cubes
        Shape (n, 3, 22, 22, 22), bytes.
    facts
        Shape (n, 9).
    diameters_mm
        Shape (n,): of the nodule; 0 where there is none.
    """

    cubes: Bytes
    facts: Facts
    diameters_mm: Values

    @property
    def is_nodule(self) -> npt.NDArray[np.bool_]:
        """Shape (n,)."""
        return np.asarray(self.diameters_mm > 0)

    @property
    def sizes(self) -> Values:
        """Shape (n,): what the network is to say of the size; 0 where there is no nodule."""
        safe = np.where(self.is_nodule, self.diameters_mm, USUAL_DIAMETER_MM)
        return np.asarray(np.log2(safe / USUAL_DIAMETER_MM), dtype=np.float32)


def joined(parts: Sequence[Examples]) -> Examples:
    """Return all examples of some parts."""
    return Examples(
        np.concatenate([p.cubes for p in parts]),
        np.concatenate([p.facts for p in parts]),
        np.concatenate([p.diameters_mm for p in parts]),
    )


def examples_of(source: str, data: Path, work: Path) -> Examples:
    """
    Return the examples of one source, made once and kept in a file for each variant.

    Parameters
    ----------
    source
        `THIN`, `THICK` or `PHANTOM`.
    data
        Folder of the real scans.
    work
        Folder of the files.
    """
    work.mkdir(parents=True, exist_ok=True)
    if source == PHANTOM:
        return _kept(work / "examples-phantoms.npz", _of_phantoms())
    chest = read_chest(data, source)
    parts = []
    for variant in (v for v in VARIANTS if v.source == source):
        path = work / f"examples-{source}-{variant.slice_mm:g}mm.npz"
        parts.append(_kept(path, _of_variant(as_variant(chest, variant), variant)))
    return joined(parts)


def labelled(chest: Chest, planted: Planted, far_kept: int, rng: np.random.Generator) -> Examples:
    """
    Return candidates of a chest with nodules, those of real masses and those at the rim of a nodule left out.

    Parameters
    ----------
    chest
        What the nodules were put into.
    planted
        With nodules; none: everything found is no nodule.
    far_kept
        How many candidates far from every nodule are kept, drawn at random.
    rng
        Of that draw.
    """
    scales = at_all_scales(planted.volume, chest.lungs)
    found = find_candidates(scales.fine, chest.lungs, planted.volume.spacing_mm)
    kept: list[tuple[Candidate, float]] = []
    far: list[Candidate] = []
    for candidate in found:
        position = planted.volume.to_patient_mm(candidate.index)
        if any(known.holds(position) for known in chest.known):
            continue
        apart = [(float(np.linalg.norm(np.subtract(position, n.position_mm))), n.diameter_mm) for n in planted.nodules]
        inside = [d for gap, d in apart if gap < max(_CENTRAL * d / 2, min(_CENTRAL_MM, d / 2))]
        if inside:
            kept.append((candidate, inside[0]))
        elif any(gap < _OUTSIDE * d / 2 for gap, d in apart):
            continue
        elif any(gap < d / 2 + _NEAR_MM for gap, d in apart):
            kept.append((candidate, 0.0))
        else:
            far.append(candidate)
    if len(far) > far_kept:
        far = [far[int(k)] for k in rng.choice(len(far), far_kept, replace=False)]
    candidates = [c for c, _ in kept] + far
    diameters = [d for _, d in kept] + [0.0] * len(far)
    return Examples(
        Patches(scales, CACHED_SIDE).of(candidates),
        facts_of(candidates, planted.volume.spacing_mm[0]),
        np.array(diameters, dtype=np.float32),
    )


def _of_variant(chest: Chest, variant: Variant) -> Iterator[Examples]:
    rng = np.random.default_rng([SEED, 3, round(10 * variant.slice_mm)])
    yield labelled(chest, Planted(chest.volume, ()), 10_000, rng)
    for number in range(variant.copies):
        yield labelled(chest, training_copy(chest, variant, number), _FAR_KEPT, rng)


def _of_phantoms() -> Iterator[Examples]:
    rng = np.random.default_rng([SEED, 3, 0])
    for seed in TRAINING_PHANTOMS:
        chest = training_phantom(seed)
        yield labelled(chest, Planted(chest.volume, ()), _PHANTOM_KEPT, rng)
        yield labelled(chest, training_copy(chest, Variant(PHANTOM, 3.0, 1), seed), _FAR_KEPT, rng)


def _kept(path: Path, parts: Iterator[Examples]) -> Examples:
    if not path.is_file():
        made = joined(list(parts))
        np.savez(path, cubes=made.cubes, facts=made.facts, diameters_mm=made.diameters_mm)
    with np.load(path) as kept:
        return Examples(kept["cubes"], kept["facts"], kept["diameters_mm"])
