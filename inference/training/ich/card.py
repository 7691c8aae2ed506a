"""The tables of the card, written from the figures; the words around them are written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inference.training.cards import write_between_marks
from inference.training.ich.small_bleeds import DENSITIES_HU, DIAMETERS_MM, largest_missed, scores_at
from inference.training.missed import file_of

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
    write_between_marks(bundle, tables(figures))


def tables(figures: Mapping[str, Any]) -> str:
    """Return the tables in Markdown."""
    parts = (_out_of_fold, _tried, _ways, _thresholds, _by_type, _boxes, _short_series, _phantoms, _small_bleeds)
    return "\n" + "\n\n".join("\n".join(part(figures)) for part in parts) + "\n\n"


def _out_of_fold(figures: Mapping[str, Any]) -> list[str]:
    data = figures["data"]
    rows = [
        f"| {_NAMES[name]} | {each['value']:.3f} | {each['low']:.3f} to {each['high']:.3f} |"
        for name, each in figures["out_of_fold"].items()
    ]
    folds = figures["patient_auc_by_fold"]
    return [
        f"Out of fold, n = {data['patients']} patients ({data['patients_with_bleed']} with a bleed), {data['slices']} "
        f"slices ({data['slices_with_bleed']} with a bleed); intervals of 95 % from resampled patients:",
        "",
        "| figure | value | interval |",
        "|---|---|---|",
        *rows,
        "",
        f"AUC of patients within each fold, where one set of weights judges all: {_listed(folds)}; mean "
        f"{sum(folds) / len(folds):.3f}. The first table pools the folds.",
    ]


def _tried(figures: Mapping[str, Any]) -> list[str]:
    rules = figures["reference_head"]
    rows = [
        f"| {name} | " + " | ".join(f"{each[column]:.3f}" for column in _COLUMNS) + " |"
        for name, each in figures["tried"].items()
    ]
    return [
        "What was trained, and the rules, on the same patients:",
        "",
        "| what | patients | slices | smoothed | same place |",
        "|---|---|---|---|---|",
        *rows,
        f"| reference-head (rules), {rules['scored']} of {figures['data']['patients']} that it scored "
        f"| {rules['patient_auc_scored']:.3f} | | | |",
        f"| reference-head, the others as lowest | {rules['patient_auc']:.3f} | | | |",
    ]


def _ways(figures: Mapping[str, Any]) -> list[str]:
    ways = figures["ways"]
    return [
        "From slices to patients, chosen by inner splits: weights trained without two folds score one of the two "
        "to choose for the other. Chosen for the five folds: "
        + "; ".join(ways["chosen_by_fold"])
        + ". Patients out of fold, each fold by its own choice: AUC "
        f"{ways['patient_auc_of_these_within_folds']:.3f} as the mean within folds; {ways['patient_auc_of_these']:.3f} "
        "pooled, where scores that are standardised meet scores that are not. "
        f"Shipped, by the mean over the folds: {ways['shipped']}.",
        "",
        "| highest slices averaged, logits | inner AUC of patients | out of fold, which chose nothing |",
        "|---|---|---|",
        *(f"| {name} | {each['inner_auc']:.3f} | {each['patient_auc']:.3f} |" for name, each in ways["all"].items()),
    ]


def _thresholds(figures: Mapping[str, Any]) -> list[str]:
    judged = figures["thresholds_across_folds"]
    return [
        "Thresholds chosen on four folds at 90 % specificity and judged on the fifth: "
        f"{judged['true_positive']} of {judged['positive']} patients with a bleed are flagged, "
        f"{judged['negative'] - judged['true_negative']} of {judged['negative']} without."
    ]


def _by_type(figures: Mapping[str, Any]) -> list[str]:
    rows = [f"| {name} | {each['patients']} | {each['patient_auc']:.3f} |" for name, each in figures["by_type"].items()]
    return ["| type of bleed | patients | AUC against those without |", "|---|---|---|", *rows]


def _boxes(figures: Mapping[str, Any]) -> list[str]:
    placed = figures["inserted"]
    return [
        f"Hit rate of the box on *bleeds that were inserted* ({placed['bleeds']}, of the kind that training saw too,",
        f"in real slices of {placed['patients']} patients without a bleed, judged by weights that never saw them):",
        f"{placed['hit_rate']:.0%} hold the centre; blobs {placed['hit_rate_blobs']:.0%} ({placed['blobs']}),",
        f"crescents along the skull {placed['hit_rate_crescents']:.0%} ({placed['crescents']}). The box covers",
        f"{placed['box_share_of_head']:.0%} of the head on average, which is what a place at random would hit.",
        f"The logit of the slice rises in {placed['slice_logit_rises']:.0%}.",
    ]


def _short_series(figures: Mapping[str, Any]) -> list[str]:
    short = figures["short_series"]
    return [
        "Single slices of these patients at another window (0 to 80 HU) and size, five times over with noise, as short",
        f"series: AUC {short['auc']:.3f} ({short['series']} series, by weights that never saw the patient).",
    ]


def _phantoms(figures: Mapping[str, Any]) -> list[str]:
    found = figures["phantoms"]
    return [
        f"{found['phantoms']} head phantoms of seeds that training did not have: without a bleed the highest score is",
        f"{found['highest_without']:.3f}, {found['flagged_without']} are flagged; with the bleed of the demo (30 mm, "
        f"68 HU) scores are {found['lowest_with']:.3f}",
        f"to {found['highest_with']:.3f}, the middle one {found['median_with']:.3f}, and {found['flagged_with']} are "
        "flagged.",
    ]


def _small_bleeds(figures: Mapping[str, Any]) -> list[str]:
    scores, point = figures["shipped"]["small_bleeds"], figures["operating_point"]
    rows = []
    for mm in DIAMETERS_MM:
        by_density = (scores_at(scores, mm, hu) for hu in DENSITIES_HU)
        cells = (
            f"{sum(s >= point for s in each)} of {len(each)} ({min(each):.2f} to {max(each):.2f})"
            for each in by_density
        )
        rows.append(f"| {mm:g} mm | {' | '.join(cells)} |")
    pictures = (
        f"![a bleed of {each.diameter_mm:g} mm and {each.density_hu:g} HU in a phantom, in a box]({file_of(each.name)})"
        for each in largest_missed(scores, point)
    )
    return [
        "How small and how faint a bleed is still flagged, in phantoms of seeds that training did not have, at the "
        "place of the demo's; flagged, and scores in brackets:",
        "",
        f"| bleed | {' | '.join(f'{hu:g} HU' for hu in DENSITIES_HU)} |",
        f"|---|{'---|' * len(DENSITIES_HU)}",
        *rows,
        "",
        "The largest that was missed at each density; the box is the truth, not the model's:",
        "",
        *pictures,
    ]


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)
