"""What one part of a bench found; a bench of several parts merges them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voorrang.bench.report import Say


@dataclass(frozen=True, slots=True)
class Measured:
    """
    Of one part.

    Parameters
    ----------
    figures
        Names and numbers; no two parts have one name.
    rows
        Every run.
    missing
        What could not be measured, by name, and why.
    notes
        How the figures came about, where their names do not say it.
    """

    figures: dict[str, float]
    rows: list[dict[str, Any]]
    missing: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


Part = Callable[[Path, Say], Measured]
"""Measures, with a scratch folder of its own and somebody to tell of progress."""
