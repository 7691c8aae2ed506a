"""Cases with nodules that training never saw, read by a network and by the reference CAD; both as marks, up to 100."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from inference.builtin.axial import as_seen
from inference.builtin.nodule import candidates_of, marks_of
from inference.builtin.nodule_candidates import FINEST_MM
from inference.builtin.nodule_network import NoduleNetworks, outputs_of
from inference.reference.blobs import find_blobs
from inference.reference.grids import sample
from inference.reference.lungs import find_lungs
from inference.reference.nodule_rules import Mark, mark, strongest
from inference.training.froc import MOST_MARKS, Placed, Scan, Spot, judge
from inference.training.lung_nodule.cases import (
    PHANTOM,
    UNSEEN_CASES,
    UNSEEN_PHANTOMS,
    chest_of,
    unseen_case,
)
from inference.training.lung_nodule.placing import Chest
from inference.training.lung_nodule.planting import Nodule
from inference.volume import Volume

MarkAll = Callable[[Volume], tuple[tuple[Placed, ...], ...]]
"""Marks what a volume holds; one or more models, each with its marks."""


@dataclass(frozen=True, slots=True)
class Case:
    """A case: its source and number, the nodules in it, and what does not count."""

    source: str
    number: int
    nodules: tuple[Nodule, ...]
    ignored: tuple[Spot, ...]

    def judge(self, marks: Sequence[Placed]) -> Scan:
        """Match marks to the nodules: a hit is nearer to the centre than half of the diameter."""
        spots = [Spot(nodule.position_mm, nodule.diameter_mm / 2) for nodule in self.nodules]
        return judge(marks, spots, self.ignored)


@dataclass(frozen=True, slots=True)
class Read:
    """A case and what two models marked in it; `members`: what each of our networks marks alone."""

    case: Case
    own: tuple[Placed, ...]
    reference: tuple[Placed, ...]
    members: tuple[tuple[Placed, ...], ...] = ()


def numbers_of(source: str) -> range:
    """Return the numbers of the cases of a source that are judged on."""
    return UNSEEN_PHANTOMS if source == PHANTOM else UNSEEN_CASES


def read_cases(source: str, data: Path, networks: NoduleNetworks, numbers: Sequence[int], keep: Path) -> list[Read]:
    """
    Read the cases of a source.

    Parameters
    ----------
    source
        `THIN`, `THICK` or `PHANTOM`.
    data
        Folder of the real scans.
    networks
        That never saw the scan, or phantoms of these seeds.
    numbers
        Which cases.
    keep
        Folder for the marks, under a name of these weights, so that an interruption costs one case.
    """
    keep.mkdir(parents=True, exist_ok=True)
    chest = chest_of(data, source, numbers[0])
    weights, mark_all = _name_of(networks), partial(own_marks, networks)
    found = []
    for number in numbers:
        chest = chest_of(data, source, number) if source == PHANTOM else chest
        planted = unseen_case(chest, source, number)
        case = Case(source, number, planted.nodules, ignored_of(chest))
        together, *members = kept_marks(keep / f"own-{weights}-{source}-{number}.json", mark_all, planted.volume)
        (by_rules,) = kept_marks(keep / f"reference-{source}-{number}.json", reference_marks, planted.volume)
        found.append(Read(case, together, by_rules, tuple(members)))
    return found


def ignored_of(chest: Chest) -> tuple[Spot, ...]:
    """Return where marks count neither way: real masses of a scan."""
    return tuple(Spot(known.position_mm, known.reach_mm) for known in chest.known)


def own_marks(networks: NoduleNetworks, volume: Volume) -> tuple[tuple[Placed, ...], ...]:
    """Return the marks of networks together, then of each alone, as many as 100 and from any score on."""
    seen = as_seen(volume)
    candidates = candidates_of(seen)
    outputs = outputs_of(networks, candidates.cubes, candidates.facts)
    every = (outputs, *(alone[None] for alone in outputs))
    return tuple(placed(seen, marks_of(each, candidates, seen, MOST_MARKS, 0.0)) for each in every)


def reference_marks(volume: Volume) -> tuple[tuple[Placed, ...]]:
    """Return the marks of `reference-lung`, as many as 100 and from any score on, which is more than it lists."""
    lungs = find_lungs(volume)
    if lungs is None:
        return ((),)
    grid = sample(volume.voxels_hu, volume.spacing_mm, lungs.low, lungs.high, FINEST_MM)
    marks = (mark(blob, volume.spacing_mm[0]) for blob in find_blobs(grid, lungs))
    return (placed(volume, strongest(marks, volume.spacing_mm, MOST_MARKS, 0.0)),)


def kept_marks(path: Path, mark_all: MarkAll, volume: Volume) -> tuple[tuple[Placed, ...], ...]:
    """Return the marks of models in a volume: those of the file where there is one, which is written otherwise."""
    if not path.is_file():
        made = [[asdict(one) for one in marks] for marks in mark_all(volume)]
        path.write_text(json.dumps(made), encoding="utf-8")
    kept = json.loads(path.read_text(encoding="utf-8"))
    return tuple(tuple(Placed(tuple(each["position_mm"]), each["score"]) for each in marks) for marks in kept)


def volume_of_case(data: Path, case: Case) -> Volume:
    """Return the volume of a case, made again."""
    return unseen_case(chest_of(data, case.source, case.number), case.source, case.number).volume


def placed(volume: Volume, marks: Sequence[Mark]) -> tuple[Placed, ...]:
    """Return marks at their places in the patient."""
    return tuple(Placed(volume.to_patient_mm(one.index), float(one.score)) for one in marks)


def _name_of(networks: NoduleNetworks) -> str:
    digest = hashlib.sha256()
    for values in networks.state_dict().values():
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()[:12]
