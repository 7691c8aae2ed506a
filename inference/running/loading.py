"""Loads the models that pathways name, all or none."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from inference.model import Model
from inference.models import UnknownModelError, load_model
from voorrang.errors import ConfigurationError
from voorrang.events.records import ModelIdentity


def load_named(names: Iterable[str], bundles_dir: Path | None = None) -> dict[str, Model]:
    """
    Load models by name.

    Parameters
    ----------
    names
        Of the models.
    bundles_dir
        Where the bundles are that were added.

    Raises
    ------
    ConfigurationError
        When one is not here or has no weights: better no worker than studies that wait for ever.
    """
    try:
        return {name: load_model(name, bundles_dir) for name in names}
    except UnknownModelError as error:
        raise ConfigurationError(f"a pathway names a model that is not here: {error}") from error


def identity_of(model: Model) -> ModelIdentity:
    """Return which model this is, exactly."""
    return ModelIdentity(model_id=model.model_id, version_label=model.version, weights_digest=model.weights_digest)
