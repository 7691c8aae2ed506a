"""The card of a model that ships: figures as they were measured, and a page for people. Needs no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
