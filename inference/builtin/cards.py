"""A model that ships, by its files: figures as they were measured, a page for people, its point. Needs no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inference.bundles.contract import CONTRACT

FOLDER = Path(__file__).parent
PAGE, FIGURES = "docs/README.md", "docs/figures.json"


def card_of(name: str) -> dict[str, Any]:
    """
    Return the card of a model that ships.

    Parameters
    ----------
    name
        Of the model.

    Returns
    -------
    dict
        `figures` as measured and `page`, a list of lines; empty where no model of that name ships with a card.
    """
    folder = FOLDER / name
    if not (folder / FIGURES).is_file():
        return {}
    figures = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
    return {"figures": figures, "page": (folder / PAGE).read_text(encoding="utf-8").splitlines()}


def operating_point_of(name: str) -> float:
    """Return the score from which on a model that ships says "possible", as its training chose it."""
    contract = json.loads((FOLDER / name / CONTRACT).read_text(encoding="utf-8"))
    return float(contract["operating_points"][0]["score"])
