"""What a score is worth here: from the calibration that this site has activated for a model."""

from __future__ import annotations

from pathlib import Path

from voorrang import register
from voorrang.calibration import Calibration, load_activated
from voorrang.database import Connection
from voorrang.events.records import ModelIdentity
from voorrang.pathways.pathway import Pathway
from voorrang.register import Influence, standing_of


def calibration_of(connection: Connection, folder: Path, pathway: Pathway, model: ModelIdentity) -> Calibration | None:
    """
    Return the calibration of exactly this model on a pathway; None where none is active.

    Parameters
    ----------
    connection
        To the register.
    folder
        Where the activated calibrations are kept.
    pathway, model
        Which.
    """
    activations = register.activations(connection)
    calibrations = load_activated(folder, activations)
    standing = standing_of(activations, pathway, model.model_id, calibrations)
    active = standing.activation
    if active is None or standing.influence is Influence.NONE or active.calibration_digest is None:
        return None
    if (active.model.version, active.model.weights_digest) != (model.version_label, model.weights_digest):
        return None
    return calibrations[active.calibration_digest]
