"""The heads that are measured on: real ones without a bleed in two groups, and head phantoms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inference.assembly import assemble
from inference.reference.brain import Brain, find_brain
from inference.series_files import find_series
from inference.training.ich.baseline import with_bone
from inference.training.ich.labelled import Patient, read_patients
from inference.training.ich.phantoms import unseen_phantom
from inference.volume import Volume
from voorrang.dicom.geometry import series_geometry

PHANTOM_SEEDS = range(10)
_DEVELOPMENT_EVERY = 3


@dataclass(frozen=True, slots=True)
class Head:
    """One head without a dark region: its name, and its brain."""

    name: str
    brain: Brain


def split(data: Path) -> tuple[list[Patient], list[Patient]]:
    """
    Return the patients of CT-ICH without a bleed in two groups.

    Parameters
    ----------
    data
        Folder of CT-ICH.

    Returns
    -------
    tuple of list
        Every third one, by number, on whom the rules were made; and the others, of whom nothing was looked at before.
    """
    without = [patient for patient in read_patients(data) if not patient.is_bleed.any()]
    development = without[::_DEVELOPMENT_EVERY]
    return development, [patient for patient in without if patient not in development]


def real_heads(patients: Sequence[Patient]) -> Iterator[Head]:
    """Yield real heads; the data set has no lengths, so pixels count as 0.36 mm and slices as 5 mm."""
    for patient in patients:
        yield Head(f"{patient.number:03d}", find_brain(with_bone(patient)))


def phantoms(seeds: Sequence[int] = PHANTOM_SEEDS) -> Iterator[Head]:
    """Yield head phantoms."""
    for seed in seeds:
        yield Head(f"phantom-{seed}", find_brain(unseen_phantom(seed, None)))


def volumes_past_the_gate(folder: Path) -> Iterator[Volume]:
    """Yield the volume of each series of a folder, whether or not a gate would let it pass."""
    for series in find_series(folder):
        yield assemble(series.headers, series_geometry(series.headers), series.open_instance)
