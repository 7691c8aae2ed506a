"""From cases that were read to the figures of the card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from inference.training.froc import RATES, Scan, cpm, limit_at, sensitivities
from inference.training.lung_nodule.cases import SEED, SIZES_MM
from inference.training.lung_nodule.judging import Read
from inference.training.lung_nodule.placing import KINDS
from inference.training.lung_nodule.planting import Nodule

RESAMPLES = 1000
JUDGED_AT = 1.0  # false positives per scan, for subgroups
_FAILURES = 3

Pair = tuple[list[Scan], list[Scan]]
Belongs = Callable[[Nodule], bool]


def pair_of(reads: Sequence[Read]) -> Pair:
    """Return cases as judged by the network's marks and by those of the reference CAD."""
    return [r.case.judge(r.own) for r in reads], [r.case.judge(r.reference) for r in reads]


def of_group(reads: Sequence[Read]) -> dict[str, Any]:
    """Return the figures of cases read by one network: CPM of both models and their difference, with intervals."""
    own, reference = pair_of(reads)
    return {
        "cases": len(reads),
        "nodules": sum(len(r.case.nodules) for r in reads),
        "cpm": round(cpm(own), 4),
        "reference_cpm": round(cpm(reference), 4),
        **_intervals([(own, reference)]),
        "sensitivities": _rounded(sensitivities(own)),
        "reference_sensitivities": _rounded(sensitivities(reference)),
    }


def of_groups(groups: Sequence[Sequence[Read]]) -> dict[str, Any]:
    """Return the mean CPM over groups, each read by a network of its own, so that no scores are mixed."""
    pairs = [pair_of(reads) for reads in groups]
    return {
        "cases": sum(len(reads) for reads in groups),
        "cpm": round(float(np.mean([cpm(own) for own, _ in pairs])), 4),
        "reference_cpm": round(float(np.mean([cpm(reference) for _, reference in pairs])), 4),
        **_intervals(pairs),
    }


def members(groups: Sequence[Sequence[Read]]) -> list[float]:
    """Return the mean CPM over groups of each network alone, the first of each group being the first, and so on."""
    count = len(groups[0][0].members)
    alone = [[[r.case.judge(r.members[k]) for r in reads] for reads in groups] for k in range(count)]
    return [round(float(np.mean([cpm(scans) for scans in each])), 4) for each in alone]


def subgroups(groups: Sequence[Sequence[Read]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return sensitivities at one false positive per scan, by size, by kind and by attachment, over all groups."""
    rows: list[tuple[Nodule, bool, bool]] = []
    for reads in groups:
        own, reference = pair_of(reads)
        limits = limit_at(JUDGED_AT, own), limit_at(JUDGED_AT, reference)
        for read, a, b in zip(reads, own, reference, strict=True):
            hits = zip(read.case.nodules, a.nodules > limits[0], b.nodules > limits[1], strict=True)
            rows += [(nodule, bool(x), bool(y)) for nodule, x, y in hits]
    sizes = {f"{low:.0f}-{high:.0f} mm": _of_size(low, high) for low, high in SIZES_MM}
    kinds: dict[str, Belongs] = {kind: _of_kind(kind) for kind in KINDS}
    places: dict[str, Belongs] = {
        "attached": lambda n: n.is_attached,
        "free": lambda n: not n.is_attached,
    }
    return {name: _shares(rows, by) for name, by in (("size", sizes), ("kind", kinds), ("place", places))}


def failures(reads: Sequence[Read]) -> list[dict[str, Any]]:
    """Return the largest nodules that are missed at one false positive per scan."""
    own, _ = pair_of(reads)
    limit = limit_at(JUDGED_AT, own)
    missed = [
        (read.case, nodule)
        for read, scan in zip(reads, own, strict=True)
        for nodule, score in zip(read.case.nodules, scan.nodules, strict=True)
        if score <= limit
    ]
    missed.sort(key=lambda each: -each[1].diameter_mm)
    return [
        {
            "case": f"{case.source} {case.number}",
            "diameter_mm": round(nodule.diameter_mm, 1),
            "kind": nodule.kind,
            "attached": nodule.is_attached,
            "position_mm": [round(value, 1) for value in nodule.position_mm],
        }
        for case, nodule in missed[:_FAILURES]
    ]


def at_threshold(reads: Sequence[Read], threshold: float) -> dict[str, float]:
    """Return sensitivity and false positives per scan of the network at a threshold that these cases did not choose."""
    own, _ = pair_of(reads)
    found = np.concatenate([scan.nodules for scan in own]) >= threshold
    wrong = np.concatenate([scan.false_positives for scan in own]) >= threshold
    return {
        "threshold": round(threshold, 4),
        "sensitivity": round(float(found.mean()), 4),
        "false_positives_per_scan": round(float(np.count_nonzero(wrong)) / len(own), 3),
    }


def _intervals(pairs: Sequence[Pair]) -> dict[str, list[float]]:
    """
    Return 95 % intervals of both CPMs and of their difference, cases drawn again within each group, the same for both.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    rng = np.random.default_rng(SEED)
    drawn = np.empty((RESAMPLES, 3))
    for k in range(RESAMPLES):
        values = []
        for own, reference in pairs:
            picked = rng.integers(0, len(own), len(own))
            values.append((cpm([own[i] for i in picked]), cpm([reference[i] for i in picked])))
        a, b = np.mean(values, axis=0)
        drawn[k] = a, b, a - b
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    names = ("cpm_interval", "reference_cpm_interval", "difference_interval")
    return {name: [round(float(low[k]), 4), round(float(high[k]), 4)] for k, name in enumerate(names)}


def _of_size(low: float, high: float) -> Belongs:
    return lambda nodule: low <= nodule.diameter_mm < high


def _of_kind(kind: str) -> Belongs:
    return lambda nodule: nodule.kind == kind


def _shares(rows: Sequence[tuple[Nodule, bool, bool]], by: Mapping[str, Belongs]) -> dict[str, dict[str, Any]]:
    out: dict[str, dict[str, Any]] = {}
    for name, belongs in by.items():
        hits = np.array([(x, y) for nodule, x, y in rows if belongs(nodule)], dtype=np.float64).reshape(-1, 2)
        if len(hits):
            own, reference = (round(float(value), 3) for value in hits.mean(axis=0))
            out[name] = {"nodules": len(hits), "sensitivity": own, "reference": reference}
    return out


def _rounded(values: Sequence[float] | np.ndarray[Any, Any]) -> dict[str, float]:
    return {f"{rate:g}": round(float(value), 4) for rate, value in zip(RATES, values, strict=True)}
