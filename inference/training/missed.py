"""Pictures of what a model misses, for its card: synthetic ones only, drawn as the platform draws a finding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from inference.key_pictures.drawing import draw
from inference.key_pictures.placing import place
from inference.model import LocatedFinding
from inference.volume import Volume
from voorrang.dicom.headers import Vector

_AROUND = 1.3  # of the diameter: the box does not lie on the rim


@dataclass(frozen=True, slots=True)
class Missed:
    """
    Something that a model missed.

    Parameters
    ----------
    name
        Of the file, without what all have before and after it.
    volume
        A phantom; of a patient there is no picture in the package.
    position_mm, diameter_mm
        Where it truly is, in LPS, and how large.
    """

    name: str
    volume: Volume
    position_mm: Vector
    diameter_mm: float


def file_of(name: str) -> str:
    """Return the name of the file that shows what was missed."""
    return f"missed-{name}.png"


def draw_missed(folder: Path, missed: Iterable[Missed], window_hu: tuple[float, float]) -> None:
    """
    Draw the slice through the middle of each, the truth in a box, and remove the pictures that were there.

    Parameters
    ----------
    folder
        Of the pictures: `docs` of the bundle.
    missed
        What to draw.
    window_hu
        What is black and what is white.
    """
    for old in folder.glob(file_of("*")):
        old.unlink()
    for each in missed:
        half = _AROUND * each.diameter_mm / 2
        x, y, z = each.position_mm
        box = ((x - half, y - half, z - half), (x + half, y + half, z + half))
        truth = LocatedFinding("missed", 0.0, each.position_mm, each.diameter_mm, box)
        where = place(truth, each.volume)
        if where is None:
            raise ValueError(f"{each.name} lies outside its volume")
        (folder / file_of(each.name)).write_bytes(draw(each.volume, where, window_hu))
