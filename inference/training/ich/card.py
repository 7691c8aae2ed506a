"""The tables of the card, written from the figures; the words around them are written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

PAGE = "docs/README.md"
BEGIN, END = "<!-- figures: written by training -->\n", "<!-- end of figures -->\n"

_NAMES = {
    "patient_auc": "AUC of patients",
    "slice_auc": "AUC of slices, as they are",
    "slice_auc_smoothed": "AUC of slices, smoothed along z",
    "slice_auc_stratified": "the same, pairs from the same tenth of the stack only",
    "patient_sensitivity_at_90_specificity": "sensitivity at 90 % specificity, patients",
    "slice_sensitivity_at_90_specificity": "sensitivity at 90 % specificity, smoothed slices",
}
_COLUMNS = ("patient_auc", "slice_auc", "slice_auc_smoothed", "slice_auc_stratified")


def write_tables(bundle: Path, figures: Mapping[str, Any]) -> None:
    """
    Put the tables of the figures into the page of a bundle, between its two marks.

    Parameters
    ----------
    bundle
        With `docs/README.md`.
    figures
        What `docs/figures.json` holds.
    """
    path = bundle / PAGE
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    path.write_text(f"{before}{BEGIN}{tables(figures)}{END}{after}", encoding="utf-8")


def tables(figures: Mapping[str, Any]) -> str:
    """Return the tables in Markdown."""
    data, judged, placed = figures["data"], figures["thresholds_across_folds"], figures["inserted"]
    short = figures["short_series"]
    n = f"n = {data['patients']} patients ({data['patients_with_bleed']} with a bleed), {data['slices']} slices "
    lines = [
        "",
        f"Out of fold, {n}({data['slices_with_bleed']} with a bleed); intervals of 95 % from resampled patients:",
    ]
    lines += ["", "| figure | value | interval |", "|---|---|---|"]
    lines += [
        f"| {_NAMES[name]} | {each['value']:.3f} | {each['low']:.3f} to {each['high']:.3f} |"
        for name, each in figures["out_of_fold"].items()
    ]
    folds = figures["patient_auc_by_fold"]
    named = ", ".join(f"{each:.3f}" for each in folds)
    lines += ["", f"AUC of patients within each fold, where one set of weights judges all: {named}; mean "]
    lines[-1] += f"{sum(folds) / len(folds):.3f}. The first table pools the folds."
    lines += ["", "Everything that was tried, on the same folds:", ""]
    lines += ["| what | patients | slices | smoothed | same place |", "|---|---|---|---|---|"]
    for name, each in figures["tried"].items():
        shipped = " (shipped)" if name == figures["chosen"] else ""
        lines.append(f"| {name}{shipped} | " + " | ".join(f"{each[column]:.3f}" for column in _COLUMNS) + " |")
    rules = figures["reference_head"]
    lines += [
        f"| reference-head (rules), {rules['scored']} of {data['patients']} that it scored "
        f"| {rules['patient_auc_scored']:.3f} | | | |",
        f"| reference-head, the others as lowest | {rules['patient_auc']:.3f} | | | |",
        "",
        "Thresholds chosen on four folds at 90 % specificity and judged on the fifth: "
        f"{judged['true_positive']} of {judged['positive']} patients with a bleed are flagged, "
        f"{judged['negative'] - judged['true_negative']} of {judged['negative']} without.",
        "",
        "| type of bleed | patients | AUC against those without |",
        "|---|---|---|",
    ]
    lines += [
        f"| {name} | {each['patients']} | {each['patient_auc']:.3f} |" for name, each in figures["by_type"].items()
    ]
    lines += [
        "",
        f"Hit rate of the box on *bleeds that were inserted* ({placed['bleeds']}, of the kind that training saw too,",
        f"in real slices of {placed['patients']} patients without a bleed, judged by weights that never saw them):",
        f"{placed['hit_rate']:.0%} hold the centre; blobs {placed['hit_rate_blobs']:.0%} ({placed['blobs']}),",
        f"crescents along the skull {placed['hit_rate_crescents']:.0%} ({placed['crescents']}). The box covers",
        f"{placed['box_share_of_head']:.0%} of the head on average, which is what a place at random would hit.",
        f"The logit of the slice rises in {placed['slice_logit_rises']:.0%}.",
        "",
        "Single slices of these patients at another window (0 to 80 HU) and size, five times over with noise, as short",
        f"series: AUC {short['auc']:.3f} ({short['series']} series, by weights that never saw the patient).",
        "",
    ]
    return "\n".join(lines) + "\n"
