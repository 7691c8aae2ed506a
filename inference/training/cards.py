"""The page of a bundle: words by hand, tables by training between two marks."""

from __future__ import annotations

from pathlib import Path

from inference.builtin.cards import PAGE

BEGIN, END = "<!-- figures: written by training -->\n", "<!-- end of figures -->\n"


def write_between_marks(bundle: Path, tables: str) -> None:
    """
    Put tables into the page of a bundle, between its two marks.

    Parameters
    ----------
    bundle
        With `docs/README.md`.
    tables
        Markdown.
    """
    path = bundle / PAGE
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    path.write_text(f"{before}{BEGIN}{tables}{END}{after}", encoding="utf-8")
