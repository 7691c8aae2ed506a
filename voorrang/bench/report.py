"""What a bench prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Report:
    """
    One JSON object.

    Parameters
    ----------
    figures
        Names and numbers.
    rows
        Every run.
    machine
        On what, with which peers, and what could not be measured.
    """

    figures: dict[str, float]
    rows: list[dict[str, Any]]
    machine: dict[str, Any]
