"""Wires inference."""

from __future__ import annotations

from inference.model import Model
from inference.models import UnknownModelError, load_model
from inference.worker import Worker
from voorrang.errors import ConfigurationError
from voorrang.pathways.pathway import Pathway
from voorrang.runtime import start
from voorrang.settings import Settings


def work(settings: Settings) -> int:
    """Run an inference worker until it is told to stop; return the exit code."""
    runtime = start("inference", settings, settings.inference_metrics_port)
    worker = Worker(runtime, load_models(runtime.pathways))
    runtime.consume({"series-completed": worker.on_series_completed})
    return runtime.run()


def load_models(pathways: dict[str, Pathway]) -> dict[str, Model]:
    """
    Load every model that a pathway names.

    Raises
    ------
    ConfigurationError
        When a pathway names a model that is not here: better no worker than studies that wait for ever.
    """
    names = {use.name: pathway.name for pathway in pathways.values() for use in pathway.models}
    try:
        return {name: load_model(name) for name in names}
    except UnknownModelError as error:
        raise ConfigurationError(f"a pathway names a model that is not here: {error}") from error
