"""How often the box of the activation map holds a bleed that was inserted, and how large the box is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from inference.builtin.activation_map import activation_map, strongest_place
from inference.builtin.head_slices import Frames, as_channels, find_frames, lookup, upright
from inference.builtin.lite_network import FirstBlocks, LastBlocks
from inference.training.ich.inserting import Inserted, insert_region
from inference.training.ich.labelled import Patient

BLEEDS_PER_PATIENT = 6
_TRIES = 30


@dataclass(frozen=True, slots=True)
class Located:
    """
    One inserted bleed and what was said of it.

    Parameters
    ----------
    patient
        Number of the patient without bleeds into whose slice it was put.
    is_hit
        Whether its centre lies in the box.
    box_share
        Area of the box over that of the head: what a random place would hit.
    radius_share
        Radius of a disc of its area over the root of the head's area.
    is_blob
        In the brain, and not a crescent along the skull.
    logit_before, logit_after
        Of the slice without and with it.
    """

    patient: int
    is_hit: bool
    box_share: float
    radius_share: float
    is_blob: bool
    logit_before: float
    logit_after: float


def located(
    patients: Sequence[Patient], first: FirstBlocks, last_of: Callable[[int], LastBlocks], seed: int
) -> list[Located]:
    """
    Insert bleeds and look for them.

    Parameters
    ----------
    patients
        Those without any bleed.
    first, last_of
        The network; its last blocks by the index of the patient, so that each is judged by what never saw it.
    seed
        Of places, sizes and densities.
    """
    found = []
    for index, patient in enumerate(patients):
        rng = np.random.default_rng([seed, patient.number])
        frames = find_frames(patient.read_hu())
        made = (insert_region(frames, rng) for _ in range(_TRIES))
        bleeds = [bleed for bleed in made if bleed is not None][:BLEEDS_PER_PATIENT]
        found += [_one(patient.number, frames, bleed, first, last_of(index)) for bleed in bleeds]
    return found


def _one(number: int, frames: Frames, bleed: Inserted, first: FirstBlocks, last: LastBlocks) -> Located:
    k = bleed.slice_index
    window = frames.window.copy()
    window[k] = bleed.picture
    hu, head = upright(replace(frames, window=window), k)
    given = np.stack([as_channels(*upright(frames, k)), as_channels(hu, head)])
    with torch.inference_mode():
        maps = first(torch.from_numpy(given))
        before, after = (float(v) for v in last.bleed_logits(maps))
    place = strongest_place(activation_map(last, maps[1:]), head)
    size = float(np.sqrt(bleed.area / np.pi / frames.areas[k]))
    if place is None:
        return Located(number, False, 0.0, size, bleed.is_blob, before, after)
    matrix, offset = lookup(frames, k)
    row, column = np.linalg.solve(matrix, np.array(bleed.centre) - offset)
    is_hit = place.low[0] <= row <= place.high[0] and place.low[1] <= column <= place.high[1]
    sides = (np.array(place.high) - np.array(place.low) + 1).prod()
    return Located(
        number, bool(is_hit), float(sides / max(np.count_nonzero(head), 1)), size, bleed.is_blob, before, after
    )
