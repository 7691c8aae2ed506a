"""The tables of the card, written from the figures; the words around them are written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inference.training.lung_nodule.missed import in_phantoms
from inference.training.missed import file_of

_RATES = ("0.125", "0.25", "0.5", "1", "2", "4", "8")
_GROUPS = {
    "chest-c3n-00247": "chest-c3n-00247 (3 mm), networks trained without it",
    "chest-a0002": "chest-a0002 (8 mm), networks trained without it",
    "phantom": "phantoms of unseen seeds, shipped networks",
}


def tables(figures: Mapping[str, Any]) -> str:
    """Return the tables in Markdown."""
    parts = (_cpm, _curves, _subgroups, _point, _masses, _failures, _phantoms)
    return "\n" + "\n\n".join("\n".join(part(figures)) for part in parts) + "\n\n"


def _cpm(figures: Mapping[str, Any]) -> list[str]:
    return [
        "CPM on nodules that were put in, four to a case, none of a seed that training had; intervals of 95 % from "
        "cases drawn again, the same for both models:",
        "",
        "| cases | n | nodules | CPM | reference-lung | difference |",
        "|---|---|---|---|---|---|",
        *(_cpm_row(_GROUPS[name], each) for name, each in figures["groups"].items()),
        _cpm_row("**both real scans, mean**", figures["real"]),
        _cpm_row("second: the same, the oval (below) counting neither way", figures["real_without_oval"]),
        "",
        "Both real scans, mean, each network alone, as five other draws of the training: CPM "
        f"{', '.join(f'{each:.3f}' for each in figures['members'])}.",
        *_rival(figures.get("demonstrator")),
    ]


def _rival(each: Mapping[str, Any] | None) -> list[str]:
    if each is None:
        return []
    return [
        "",
        "The demonstrator trained on LUNA16, a third party's and no part of the package, in the place of "
        f"`reference-lung`, on the first {each['cases']} cases of chest-c3n-00247:",
        "",
        "| cases | n | nodules | CPM | demonstrator | difference |",
        "|---|---|---|---|---|---|",
        _cpm_row("chest-c3n-00247", each),
    ]


def _cpm_row(name: str, each: Mapping[str, Any]) -> str:
    low, high = each["difference_interval"]
    return (
        f"| {name} | {each['cases']} | {each.get('nodules', '')} | {_with(each['cpm'], each['cpm_interval'])} | "
        f"{_with(each['reference_cpm'], each['reference_cpm_interval'])} | "
        f"{each['cpm'] - each['reference_cpm']:+.3f} ({low:+.3f} to {high:+.3f}) |"
    )


def _with(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def _curves(figures: Mapping[str, Any]) -> list[str]:
    rows = []
    for name, each in figures["groups"].items():
        for model, key in (("lung-nodule", "sensitivities"), ("reference-lung", "reference_sensitivities")):
            rows.append(f"| {name}, {model} | " + " | ".join(f"{each[key][rate]:.2f}" for rate in _RATES) + " |")
    return [
        "Sensitivity at false positives per scan:",
        "",
        "| | 1/8 | 1/4 | 1/2 | 1 | 2 | 4 | 8 |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
    ]


def _subgroups(figures: Mapping[str, Any]) -> list[str]:
    rows = [
        f"| {name.replace('_', ' ')} | {each['nodules']} | {each['sensitivity']:.2f} | {each['reference']:.2f} |"
        for group in figures["subgroups"].values()
        for name, each in group.items()
    ]
    return [
        "Sensitivity at one false positive per scan, all three rows of the first table together:",
        "",
        "| nodules | n | lung-nodule | reference-lung |",
        "|---|---|---|---|",
        *rows,
    ]


def _point(figures: Mapping[str, Any]) -> list[str]:
    point = figures["point"]
    told = [
        f"{name}: sensitivity {each['sensitivity']:.2f}, {each['false_positives_per_scan']:.2f} false positives per "
        f"scan (from {each['threshold']:.3f} on)"
        for name, each in point.items()
        if name != "chosen"
    ]
    return [
        f"Operating point {point['chosen']:.3f}: the higher of two thresholds at half a false positive per scan in a "
        f"scan left out. Each scan judged at the threshold that the other one chose: {'; '.join(told)}."
    ]


def _masses(figures: Mapping[str, Any]) -> list[str]:
    rows = []
    for name, each in figures["masses"].items():
        shipped = figures["shipped"]["scans"][name]
        unseen = f"mark {each['place']}, {each['score']:.3f}" if each["place"] else "not marked"
        size = f"{each['diameter_mm']:.0f} mm" if each["place"] else "-"
        seen = f"mark {shipped['mass_place']:.0f}, {shipped['mass']:.3f}" if shipped["mass_place"] else "not listed"
        rules = f"mark {each['reference_place']}" if each["reference_place"] else "not marked"
        elsewhere = f"{each['above_point_elsewhere']} / {shipped['above_point_elsewhere']:.0f}"
        rows.append(f"| {name} | {unseen} | {size} | {seen} | {rules} | {elsewhere} |")
    return [
        "The real masses, which no training used; the gate is passed by for chest-a0002, which is out of scope by its "
        "slices:",
        "",
        "| scan | networks trained without it | its diameter | shipped | reference-lung | marks elsewhere at the "
        "point, unseen / shipped |",
        "|---|---|---|---|---|---|",
        *rows,
    ]


def _failures(figures: Mapping[str, Any]) -> list[str]:
    rows = [
        f"| {each['case']} | {each['diameter_mm']:.1f} mm | {each['kind'].replace('_', ' ')} | "
        f"{'yes' if each['attached'] else 'no'} | {', '.join(f'{v:.0f}' for v in each['position_mm'])} |"
        for each in figures["failures"]
    ]
    return [
        "The largest that were missed at one false positive per scan:",
        "",
        "| case | diameter | kind | attached | place, mm LPS |",
        "|---|---|---|---|---|",
        *rows,
        "",
        "Those in phantoms; the box is the truth, not the model's:",
        "",
        *(
            f"![a {each['kind'].replace('_', ' ')} nodule of {each['diameter_mm']:.0f} mm in a phantom, in a box]"
            f"({file_of(name)})"
            for name, each in in_phantoms(figures["failures"])
        ),
    ]


def _phantoms(figures: Mapping[str, Any]) -> list[str]:
    phantoms, point = figures["shipped"]["phantoms"].values(), figures["point"]["chosen"]
    normal = [value for each in phantoms for value in each["normal"]]
    demo = [value for each in phantoms for value in each["demo"]]
    return [
        f"{len(normal)} chest phantoms of seeds that training did not have, shipped networks: without nodules the",
        f"highest score is {max(normal):.3f}, {sum(v >= point for v in normal)} are flagged; of the demo's two nodules",
        f"in each, {sum(v >= point for v in demo)} of {len(demo)} lie at or above the operating point, the lowest",
        f"at {min(demo):.3f}.",
    ]
