"""Where in a chest nodules can be put: free in the lung, or at its edge or a vessel; apart from each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference.reference.lungs import COARSE_MM, Lungs, find_lungs
from inference.training.lung_nodule.planting import Kind, Nodule, plant
from inference.volume import Volume
from voorrang.dicom.headers import Vector

KINDS: tuple[Kind, ...] = ("solid", "part_solid", "ground_glass")
KIND_SHARES = (0.5, 0.25, 0.25)
SHARE_ATTACHED = 0.5

_APART_MM = 12.0
_CLOSING = 4  # voxels of 3 mm: vessels up to about 20 mm are within the lung
_TRIES = 400


@dataclass(frozen=True, slots=True)
class Known:
    """A place that is no test of anything: a real mass; nothing is put there and what is found there does not count."""

    position_mm: Vector
    reach_mm: float

    def holds(self, position_mm: Vector, margin_mm: float = 0.0) -> bool:
        """Tell whether a position lies within reach."""
        return float(np.linalg.norm(np.subtract(position_mm, self.position_mm))) <= self.reach_mm + margin_mm


@dataclass(frozen=True, slots=True)
class Chest:
    """A chest CT to put nodules into: its name, volume, lungs, and real masses in it."""

    name: str
    volume: Volume
    lungs: Lungs
    known: tuple[Known, ...] = ()

    @classmethod
    def of(cls, name: str, volume: Volume, known: tuple[Known, ...] = ()) -> Chest:
        """Find the lungs of a volume."""
        lungs = find_lungs(volume)
        if lungs is None:
            raise ValueError(f"{name}: no lungs")
        return cls(name, volume, lungs, known)


@dataclass(frozen=True, slots=True)
class Planted:
    """A chest with nodules put in, and which."""

    volume: Volume
    nodules: tuple[Nodule, ...]


def with_nodules(chest: Chest, diameters_mm: Sequence[float], rng: np.random.Generator) -> Planted:
    """
    Put nodules of some sizes into a copy of a chest; their kind and place are drawn.

    Parameters
    ----------
    chest
        What to put them into; it is not changed.
    diameters_mm
        The largest is placed first; one that finds no place is left out.
    rng
        Of everything that is drawn.
    """
    volume = _copy(chest.volume)
    map_ = _Map(chest.lungs)
    placed: list[Nodule] = []
    for diameter in sorted(diameters_mm, reverse=True):
        kind = KINDS[int(rng.choice(3, p=KIND_SHARES))] if diameter <= 30 else "solid"
        place = map_.draw(diameter / 2, bool(rng.random() < SHARE_ATTACHED), rng, chest, placed)
        if place is None:
            continue
        position, is_attached = place
        nodule = Nodule(position, float(diameter), kind, is_attached)
        plant(volume, nodule, map_.tissue(rng), rng)
        placed.append(nodule)
    return Planted(volume, tuple(placed))


class _Map:
    """Distances, mm, on the grid of 3 mm: from the edge of the lungs, and from the nearest thing in them."""

    def __init__(self, lungs: Lungs) -> None:
        self._lungs = lungs
        ball = ndimage.generate_binary_structure(3, 1)
        filled = ndimage.binary_closing(np.pad(lungs.mask, _CLOSING), ball, iterations=_CLOSING)
        inner = tuple(slice(_CLOSING, -_CLOSING) for _ in range(3))
        self._edge_mm = ndimage.distance_transform_edt(filled)[inner] * COARSE_MM
        self._thing_mm = ndimage.distance_transform_edt(lungs.mask) * COARSE_MM
        hu = lungs.grid.values
        soft = ndimage.binary_erosion((hu > -20) & (hu < 120), iterations=2)
        self._soft = np.argwhere(soft)
        if not len(self._soft):
            raise ValueError("no soft tissue to take noise from")

    def draw(
        self, radius_mm: float, attached: bool, rng: np.random.Generator, chest: Chest, placed: Sequence[Nodule]
    ) -> tuple[Vector, bool] | None:
        """Return a place, and whether a nodule of this size touches something there; None where there is none."""
        places = np.argwhere(self._fits(radius_mm, attached))
        for _ in range(_TRIES if len(places) else 0):
            point = places[int(rng.integers(len(places)))] + rng.uniform(-0.5, 0.5, 3)
            index = self._lungs.grid.to_volume_index((float(point[0]), float(point[1]), float(point[2])))
            position = chest.volume.to_patient_mm(index)
            is_free = all(
                np.linalg.norm(np.subtract(position, one.position_mm)) > radius_mm + one.diameter_mm / 2 + _APART_MM
                for one in placed
            )
            if is_free and not any(known.holds(position, radius_mm + _APART_MM) for known in chest.known):
                return position, attached
        return None

    def tissue(self, rng: np.random.Generator) -> tuple[int, int, int]:
        """Return a place (slice, row, column of the volume) within soft tissue."""
        a, b, c = self._soft[int(rng.integers(len(self._soft)))]
        s, r, k = self._lungs.grid.to_volume_index((float(a), float(b), float(c)))
        return round(s), round(r), round(k)

    def _fits(self, radius_mm: float, attached: bool) -> npt.NDArray[np.bool_]:
        if not attached:
            return np.asarray(self._thing_mm > min(radius_mm + 2, 0.9 * float(self._thing_mm.max())))
        at_edge = (self._edge_mm > max(1.5, 0.3 * radius_mm)) & (self._edge_mm < max(4.5, 0.9 * radius_mm))
        at_vessel = (self._edge_mm > radius_mm) & (self._thing_mm > 1.5) & (self._thing_mm < max(4.5, 0.8 * radius_mm))
        return np.asarray(at_edge | at_vessel)


def _copy(volume: Volume) -> Volume:
    return Volume(
        volume.voxels_hu.astype(np.float32, copy=True),
        volume.origin_mm,
        volume.slice_step_mm,
        volume.row_step_mm,
        volume.column_step_mm,
    )
