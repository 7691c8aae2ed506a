"""Coarse boxes of each half of the brain, by name: thirds from front to back, halves from below to above."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from inference.builtin.asymmetry.aligning import HeadFrame, Matrix
from inference.builtin.asymmetry.folding import Folded
from inference.reference.brain import Brain

Numbers = npt.NDArray[np.intp]

PARTS = ("anterior", "middle", "posterior")
LEVELS = ("lower", "upper")
_LOWEST_SHARE = 0.15  # of the brain's height, not compared: streaks between the petrous bones
_END_SHARE = 0.005  # of the brain's voxels, taken as beyond its ends


class Side(StrEnum):
    """Of the patient, by the patient coordinates of the images."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Region:
    """A box of one half: third and half by name."""

    side: Side
    part: str
    level: str

    @property
    def name(self) -> str:
        """In one word of small letters, such as `left_middle_upper`."""
        return f"{self.side}_{self.part}_{self.level}"


@dataclass(frozen=True, slots=True)
class Regions:
    """
    Where the boxes end.

    Parameters
    ----------
    back_mm
        Four ends of the thirds, mm to the back in the head's frame.
    up_mm
        Three ends of the halves, mm up.
    """

    back_mm: tuple[float, float, float, float]
    up_mm: tuple[float, float, float]

    def holds(self, places_mm: Matrix) -> npt.NDArray[np.bool_]:
        """Return which places (n, 3), mm to the left, back and up, lie in any of the boxes; shape (n,)."""
        return np.asarray(self.numbers(places_mm[:, 1], places_mm[:, 2]) >= 0, dtype=np.bool_)

    def numbers(self, back_mm: Matrix, up_mm: Matrix) -> Numbers:
        """Return the number of the box of each place, 0 to 5 by part and then level; -1 in none."""
        part = np.searchsorted(self.back_mm, back_mm, side="right") - 1
        level = np.searchsorted(self.up_mm, up_mm, side="right") - 1
        is_in = (part >= 0) & (part < len(PARTS)) & (level >= 0) & (level < len(LEVELS))
        return np.asarray(np.where(is_in, part * len(LEVELS) + level, -1), dtype=np.intp)

    def of(self, place_mm: Matrix) -> Region:
        """Return the region of one place within the boxes, mm to the left, back and up."""
        number = int(self.numbers(place_mm[1:2], place_mm[2:3])[0])
        return region_of(number, Side.LEFT if place_mm[0] > 0 else Side.RIGHT)


def region_of(number: int, side: Side) -> Region:
    """Return the region of a number from `Regions.numbers`."""
    return Region(side, PARTS[number // len(LEVELS)], LEVELS[number % len(LEVELS)])


def regions_of(brain: Brain, frame: HeadFrame) -> Regions:
    """Return the boxes of a brain; they follow its length and its height as far as they are imaged."""
    volume = brain.volume
    steps = np.array([volume.slice_step_mm, volume.row_step_mm, volume.column_step_mm])
    inside = frame.to_frame(np.array(volume.origin_mm) + np.argwhere(brain.mask) @ steps)
    front, back = np.quantile(inside[:, 1], [_END_SHARE, 1 - _END_SHARE])
    low, high = np.quantile(inside[:, 2], [_END_SHARE, 1 - _END_SHARE])
    low = low + _LOWEST_SHARE * (high - low)
    a, b, c, d = (float(v) for v in np.linspace(front, back, len(PARTS) + 1))
    e, f, g = (float(v) for v in np.linspace(low, high, len(LEVELS) + 1))
    return Regions((a, b, c, d), (e, f, g))


def numbered(fold: Folded, regions: Regions) -> Numbers:
    """Return the number of the box of each voxel of a folded brain, its shape."""
    up, back = fold.axis_mm(0)[:, None], fold.axis_mm(1)[None, :]
    up, back = np.broadcast_arrays(up, back)
    return np.broadcast_to(regions.numbers(back, up)[:, :, None], fold.is_pair.shape).astype(np.intp)
