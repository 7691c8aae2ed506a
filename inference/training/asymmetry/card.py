"""The tables of the card, written from the figures; the words around them are written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_COLUMNS = {
    "auc": "AUC",
    "right_side": "right side",
    "right_region": "right region",
    "flagged": "flagged",
}


def tables(figures: Mapping[str, Any]) -> str:
    """
    Return the tables in Markdown.

    Parameters
    ----------
    figures
        What `docs/figures.json` holds.
    """
    parts = (_usual, _real, _phantoms, _suppression, _scans)
    return "\n" + "\n\n".join("\n".join(part(figures)) for part in parts) + "\n\n"


def _usual(figures: Mapping[str, Any]) -> list[str]:
    usual = figures["usual"]
    rows = [f"| {name.replace('_', ', ')} | {value:.2f} |" for name, value in usual["usual_hu"].items()]
    return [
        f"Usual difference, {usual['heads']} heads (CT-ICH, every third without a bleed); 0.5 is reached at "
        f"{usual['even_multiple']:.2f} times that:",
        "",
        "| region | HU |",
        "|---|---|",
        *rows,
    ]


def _real(figures: Mapping[str, Any]) -> list[str]:
    real = figures["real_heads"]
    return [
        f"Real heads, n = {real['heads']} (the other patients of CT-ICH without a bleed), two places in each; "
        f"{real['flagged_as_they_are']} of {real['heads']} score 0.5 or more as they are. Intervals of 95 % from "
        "resampled heads:",
        *_cells(real),
    ]


def _phantoms(figures: Mapping[str, Any]) -> list[str]:
    made = figures["phantoms"]
    return [
        f"Head phantoms, n = {made['heads']}, two places in each; {made['flagged_as_they_are']} of {made['heads']} "
        "score 0.5 or more as they are:",
        *_cells(made),
    ]


def _cells(group: Mapping[str, Any]) -> list[str]:
    rows = [
        f"| {name} | {' | '.join(_interval(cell[column]) for column in _COLUMNS)} |"
        for name, cell in group["by_size_and_drop"].items()
    ]
    return ["", f"| ball, drop | {' | '.join(_COLUMNS.values())} |", "|---|---|---|---|---|", *rows]


def _interval(each: Mapping[str, float]) -> str:
    return f"{each['value']:.2f} ({each['low']:.2f} to {each['high']:.2f})"


def _suppression(figures: Mapping[str, Any]) -> list[str]:
    rows = [
        f"| {name} | {each['patients']} | {each['suppressed']} | {each['refused']} | {each['flagged']} |"
        for name, each in (
            ("with a bleed", figures["suppression"]["with_bleed"]),
            ("without, the held-out ones", figures["suppression"]["without_bleed_held_out"]),
        )
    ]
    return [
        "The whole model on patients of CT-ICH as they are:",
        "",
        "| patients | n | suppressed | no closed head | at or above 0.5 |",
        "|---|---|---|---|---|",
        *rows,
    ]


def _scans(figures: Mapping[str, Any]) -> list[str]:
    return [
        f"`{name}`, past the gate: {each['region'].replace('_', ', ')}, {each['darker_hu']} HU darker, score "
        f"{each['score']:.2f}, at {tuple(each['position_mm'])} mm."
        for name, scans in figures["scans_past_the_gate"].items()
        for each in scans
    ]
