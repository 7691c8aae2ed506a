"""Slices that were made for training: regions inserted into real slices, and slices of procedural phantoms."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inference.builtin.head_slices import SIDE, Mask, Slices, as_channels, find_frames
from inference.builtin.lite_network import N_CLASSES, FirstBlocks
from inference.training.ich.augmenting import augmented
from inference.training.ich.caching import Maps, computed, first_blocks
from inference.training.ich.inserting import insert_region
from inference.training.ich.labelled import SEED, Patient

BLEEDS_PER_PATIENT, DARK_PER_PATIENT = 8, 4
_TRIES = 40
_ANY, _IN_BRAIN, _ALONG_SKULL = 0, 2, 5  # columns of the labels: any, then the five types

Labels = npt.NDArray[np.bool_]
Drawn = tuple[Slices, Mask, Labels]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Made:
    """Maps (n, 112, 14, 14) and labels (n, 6) of slices that were made."""

    maps: Maps
    labels: Labels


def inserted_maps(patients: Sequence[Patient], folder: Path) -> list[Made]:
    """
    Insert regions into the slices of each patient that have no bleed, augment, and compute the maps once.

    Parameters
    ----------
    patients
        In any order; what is made of a patient is only ever used where the patient is trained on.
    folder
        One file for each patient.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network = first_blocks()
    return [kept(folder / f"{patient.number:03d}.npz", network, _inserted(patient)) for patient in patients]


def kept(path: Path, network: FirstBlocks, drawn: Iterator[Drawn]) -> Made:
    """Return what a file keeps; computed and kept when there is none."""
    if not path.is_file():
        pictures = list(drawn)
        given = np.array([as_channels(hu, head) for hu, head, _ in pictures], np.float32).reshape(-1, 3, SIDE, SIDE)
        maps = computed(network, given, is_changed=True)
        named = np.array([labels for _, _, labels in pictures], np.bool_).reshape(-1, N_CLASSES)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, maps=maps, labels=named)
        part.replace(path)
        _log.info(json.dumps({"made": path.stem, "slices": len(pictures)}))
    with np.load(path) as values:
        return Made(values["maps"], values["labels"])


def _inserted(patient: Patient) -> Iterator[Drawn]:
    rng = np.random.default_rng([SEED, patient.number, 1000])
    frames = find_frames(patient.read_hu())
    for is_bleed, wanted in ((True, BLEEDS_PER_PATIENT), (False, DARK_PER_PATIENT)):
        n = 0
        for _ in range(_TRIES):
            made = insert_region(frames, rng, is_bleed=is_bleed)
            if n < wanted and made is not None and not patient.is_bleed[made.slice_index]:
                window = frames.window.copy()
                window[made.slice_index] = made.picture
                labels = np.zeros(N_CLASSES, np.bool_)
                labels[[_ANY, _IN_BRAIN if made.is_blob else _ALONG_SKULL]] = is_bleed
                yield (*augmented(replace(frames, window=window), made.slice_index, rng), labels)
                n += 1
