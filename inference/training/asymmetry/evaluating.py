"""All that the card says, measured; and whether it is still what the card says."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inference.builtin.asymmetry.model import Asymmetry, compared, score_of
from inference.reference.brain import find_brain
from inference.training.asymmetry.heads import PHANTOM_SEEDS, phantoms, real_heads, split, volumes_past_the_gate
from inference.training.asymmetry.measuring import figures
from inference.training.asymmetry.suppressing import suppressed
from inference.training.asymmetry.trying import SEED, Tried, tried
from inference.training.asymmetry.usual import usual
from inference.training.ich.labelled import Patient, read_patients
from inference.volume import Volume

TOLERANCE = 0.02

_log = logging.getLogger(__name__)


def evaluate(data: Path, scan: Path | None = None) -> dict[str, Any]:
    """
    Measure everything.

    Parameters
    ----------
    data
        Folder of CT-ICH.
    scan
        Folder of one more head, DICOM, read past the gate; None: none.

    Returns
    -------
    dict
        As `figures.json` has it.
    """
    held_out = split(data)[1]
    real, made = try_heads(held_out, PHANTOM_SEEDS)
    bleeding = [patient for patient in read_patients(data) if patient.is_bleed.any()]
    return {
        "rules_digest": Asymmetry().weights_digest,
        "seed": SEED,
        "usual": usual(data),
        "real_heads": figures(real, SEED),
        "phantoms": figures(made, SEED),
        "suppression": {
            "with_bleed": asdict(suppressed(bleeding)),
            "without_bleed_held_out": asdict(suppressed(held_out)),
        },
        "scans_past_the_gate": {}
        if scan is None
        else {scan.name: [scan_past_the_gate(each) for each in volumes_past_the_gate(scan)]},
        "scores": {head.name: scores_of(head) for head in (*real, *made)},
    }


def try_heads(patients: Sequence[Patient], seeds: Sequence[int]) -> tuple[list[Tried], list[Tried]]:
    """Return what is said of real heads and of phantoms, as they are and with dark regions."""
    groups: tuple[list[Tried], list[Tried]] = ([], [])
    for group, heads in zip(groups, (real_heads(patients), phantoms(seeds)), strict=True):
        for head in tried(heads):
            group.append(head)
            _log.info(json.dumps({"head": head.name, "score": round(head.score, 4)}))
    return groups


def scores_of(head: Tried) -> list[float]:
    """Return the score of a head as it is, and with each dark region in the order in which they are tried."""
    return [round(head.score, 4), *(each.score for each in head.said)]


def seen_again(scores: Mapping[str, Sequence[float]], rules_digest: str, kept: Mapping[str, Any]) -> bool:
    """
    Tell whether scores are those of the card.

    Parameters
    ----------
    scores
        Of any of the heads, as `scores_of` has them.
    rules_digest
        Of the model that gave them.
    kept
        What `figures.json` holds.

    Returns
    -------
    bool
        Whether the rules are those of the card and each score lies within 0.02 of the card's.
    """
    pairs = [pair for name, own in scores.items() for pair in zip(own, kept["scores"][name], strict=True)]
    return rules_digest == kept["rules_digest"] and all(abs(one - other) <= TOLERANCE for one, other in pairs)


def scan_past_the_gate(volume: Volume) -> dict[str, Any]:
    """Return which region differs by most, by how much, its score and its place, whether or not a bleed is flagged."""
    top = compared(find_brain(volume))[0]
    return {
        "region": top.region.name,
        "darker_hu": round(top.darker_hu, 2),
        "score": round(score_of(top), 4),
        "position_mm": [round(v) for v in top.position_mm],
    }
