"""Pictures of the largest nodules that the shipped networks miss in phantoms; of patients there are none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from inference.builtin.cards import PAGE
from inference.training.lung_nodule.cases import PHANTOM, unseen_case
from inference.training.lung_nodule.chests import phantom_chest
from inference.training.missed import Missed, draw_missed

_WINDOW_HU = (-1350.0, 150.0)

Failures = Sequence[Mapping[str, Any]]


def in_phantoms(failures: Failures) -> list[tuple[str, Mapping[str, Any]]]:
    """Return those of the card's failures that lie in phantoms, each with the name of its picture."""
    found = [each for each in failures if each["case"].startswith(PHANTOM)]
    return [(f"{each['case'].replace(' ', '-')}-{each['diameter_mm']:.0f}-mm", each) for each in found]


def draw_failures(bundle: Path, failures: Failures) -> None:
    """
    Draw the nodules that were missed in phantoms, beside the page of a bundle.

    Parameters
    ----------
    bundle
        Gets the pictures.
    failures
        As `docs/figures.json` has them.
    """
    draw_missed((bundle / PAGE).parent, _missed(failures), _WINDOW_HU)


def _missed(failures: Failures) -> Iterator[Missed]:
    for name, each in in_phantoms(failures):
        seed = int(each["case"].removeprefix(PHANTOM))
        planted = unseen_case(phantom_chest(seed), PHANTOM, seed)
        x, y, z = each["position_mm"]
        yield Missed(name, planted.volume, (x, y, z), each["diameter_mm"])
