"""From scans to weights in the bundle and figures beside them; every step is kept, so an interruption costs one."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from inference.builtin.axial import as_seen
from inference.builtin.cards import FIGURES
from inference.builtin.nodule import candidates_of, marks_of
from inference.builtin.nodule_network import NoduleNetworks, outputs_of
from inference.training.cards import write_between_marks
from inference.training.froc import MOST_MARKS, Placed, Scan, Spot, threshold_at
from inference.training.lung_nodule.caching import examples_of
from inference.training.lung_nodule.card import tables
from inference.training.lung_nodule.cases import SEED
from inference.training.lung_nodule.chests import read_chest
from inference.training.lung_nodule.evaluating import evaluate
from inference.training.lung_nodule.fitting import Recipe
from inference.training.lung_nodule.folds import ALL, FOLDS, SOURCES, WITHOUT_THICK, WITHOUT_THIN, Fold, networks_for
from inference.training.lung_nodule.judging import Read, numbers_of, placed, read_cases, reference_marks
from inference.training.lung_nodule.missed import draw_failures
from inference.training.lung_nodule.placing import Chest
from inference.training.lung_nodule.rival import against
from inference.training.lung_nodule.summing_up import (
    at_threshold,
    failures,
    members,
    of_group,
    of_groups,
    pair_of,
    subgroups,
)
from inference.training.shipping import ship_weights

WEIGHTS = "models/lung-nodule.pt"
POINT_AT = 0.5  # false positives per scan
RIVAL_CASES = 4
UNANNOTATED_OVAL = Spot((109.0, -132.0, -193.0), 10.0)  # in `THIN`, about 9 mm; a lay reader takes it for a nodule

Vendor = tuple[Path, Path]
"""The maker's folder and our configuration over it."""


def train(data: Path, work: Path, bundle: Path, recipe: Recipe, vendor: Vendor | None = None) -> dict[str, Any]:
    """
    Train without each scan and on all, measure on what was left out, ship.

    Parameters
    ----------
    data
        Folder of the real scans.
    work
        For what is kept between runs.
    bundle
        Gets weights, digest, operating point and `docs/figures.json`.
    recipe
        How.
    vendor
        A third party's detector to compare with, on the first cases of the scan of thin slices; None: none is.

    Returns
    -------
    dict
        What `docs/figures.json` holds.
    """
    began = time.monotonic()
    examples = partial(examples_of, data=data, work=work)
    networks = {fold: networks_for(fold, examples, recipe, work) for fold in FOLDS}
    reads = {fold: _read(fold, its, data, work) for fold, its in networks.items()}
    points = {fold: threshold_at(POINT_AT, _own(reads[fold])) for fold in (WITHOUT_THIN, WITHOUT_THICK)}
    ship_weights(networks[ALL].state_dict(), bundle, WEIGHTS, max(points.values()))
    missed = [each for fold in FOLDS for each in failures(reads[fold])]
    found = {
        "seed": SEED,
        "recipe": asdict(recipe),
        "weights": sum(parameter.numel() for parameter in networks[ALL].parameters()),
        "examples": {source: _counts(source, data, work) for source in SOURCES},
        "real": of_groups([reads[WITHOUT_THIN], reads[WITHOUT_THICK]]),
        "members": members([reads[WITHOUT_THIN], reads[WITHOUT_THICK]]),
        "real_without_oval": of_groups([_without_oval(reads[WITHOUT_THIN]), reads[WITHOUT_THICK]]),
        "groups": {fold.judged_on[0]: of_group(reads[fold]) for fold in FOLDS},
        "subgroups": subgroups([reads[fold] for fold in FOLDS]),
        **({"demonstrator": _rival(vendor, reads[WITHOUT_THIN], data, work)} if vendor is not None else {}),
        "failures": missed,
        "point": {
            "chosen": round(max(points.values()), 3),
            WITHOUT_THIN.judged_on[0]: at_threshold(reads[WITHOUT_THIN], points[WITHOUT_THICK]),
            WITHOUT_THICK.judged_on[0]: at_threshold(reads[WITHOUT_THICK], points[WITHOUT_THIN]),
        },
        "masses": {
            fold.judged_on[0]: _mass(networks[fold], data, fold.judged_on[0], max(points.values()))
            for fold in (WITHOUT_THIN, WITHOUT_THICK)
        },
        "shipped": asdict(evaluate(data, bundle)),
    }
    found["run"] = {
        "minutes": round((time.monotonic() - began) / 60, 1),
        "minutes_of_processor": round(time.process_time() / 60, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
    }
    path = bundle / FIGURES
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    write_between_marks(bundle, tables(found))
    draw_failures(bundle, missed)
    return found


def _rival(vendor: Vendor, reads: Sequence[Read], data: Path, work: Path) -> dict[str, Any]:
    folder, configs = vendor
    return against(folder, configs, reads[:RIVAL_CASES], data, work / "marks" / WITHOUT_THIN.name)


def _read(fold: Fold, networks: NoduleNetworks, data: Path, work: Path) -> list[Read]:
    (source,) = fold.judged_on
    return read_cases(source, data, networks, numbers_of(source), work / "marks" / fold.name)


def _without_oval(reads: Sequence[Read]) -> list[Read]:
    """Cases with one more place that counts neither way: an oval that nobody has annotated."""
    return [replace(r, case=replace(r.case, ignored=(*r.case.ignored, UNANNOTATED_OVAL))) for r in reads]


def _own(reads: Sequence[Read]) -> list[Scan]:
    return pair_of(reads)[0]


def _counts(source: str, data: Path, work: Path) -> dict[str, int]:
    examples = examples_of(source, data, work)
    return {"candidates": len(examples.cubes), "of_nodules": int(examples.is_nodule.sum())}


def _mass(networks: NoduleNetworks, data: Path, name: str, point: float) -> dict[str, Any]:
    """What networks that never saw a scan say of its real mass, and the reference CAD beside it."""
    chest = read_chest(data, name)
    seen = as_seen(chest.volume)
    candidates = candidates_of(seen)
    outputs = outputs_of(networks, candidates.cubes, candidates.facts)
    kept = marks_of(outputs, candidates, seen, MOST_MARKS, 0.0)
    on_mass = [_is_ignored(one, chest) for one in placed(seen, kept)]
    by_rules = [_is_ignored(one, chest) for one in reference_marks(chest.volume)[0]]
    best = on_mass.index(True) if any(on_mass) else None
    return {
        "place": None if best is None else best + 1,
        "score": None if best is None else round(kept[best].score, 4),
        "diameter_mm": None if best is None else round(kept[best].diameter_mm, 1),
        "above_point_elsewhere": sum(m.score >= point and not near for m, near in zip(kept, on_mass, strict=True)),
        "reference_place": by_rules.index(True) + 1 if any(by_rules) else None,
    }


def _is_ignored(mark: Placed, chest: Chest) -> bool:
    return any(known.holds(mark.position_mm) for known in chest.known)
