"""Wires inference."""

from __future__ import annotations

from pathlib import Path

from inference.costing import Prices
from inference.model import Model
from inference.running.loading import load_named
from inference.running.messages import LOADER, Start
from inference.running.process import ChildReader
from inference.worker import Worker
from voorrang.pathways.loading import load_pathways
from voorrang.pathways.pathway import Pathway
from voorrang.runtime import start
from voorrang.settings import Settings


def work(settings: Settings, loader: str = LOADER) -> int:
    """
    Run an inference worker until it is told to stop.

    Parameters
    ----------
    settings
        Of this installation.
    loader
        Makes the models: see `Start`.

    Returns
    -------
    int
        The exit code.
    """
    reader = ChildReader(child_start(settings, loader), settings.inference_time_limit_seconds)
    reader.begin()  # it loads the models while we connect
    try:
        runtime = start("inference", settings, settings.inference_metrics_port)
        reader.stop = runtime.stop
        reader.require_ready()
        worker = Worker(runtime, reader, Prices(settings.cpu_hour_cost, settings.gpu_hour_cost))
        runtime.consume({"series-completed": worker.on_series_completed, "series-rejected": worker.on_series_rejected})
        return runtime.run()
    finally:
        reader.close()


def child_start(settings: Settings, loader: str = LOADER) -> Start:
    """Return what the child of a worker is to be."""
    pathways = load_pathways(settings.pathways_dir)
    return Start(
        names=tuple(dict.fromkeys(use.name for pathway in pathways.values() for use in pathway.models)),
        bundles_dir=settings.bundles_dir,
        data_dir=settings.data_dir,
        archive_dir=settings.archive_dir,
        device=settings.inference_device,
        memory_bytes=settings.inference_memory_bytes,
        log_level=settings.log_level,
        loader=loader,
    )


def load_models(pathways: dict[str, Pathway], bundles_dir: Path | None = None) -> dict[str, Model]:
    """
    Load every model that a pathway names, here.

    Raises
    ------
    ConfigurationError
        When a pathway names a model that is not here, or has no weights.
    """
    names = dict.fromkeys(use.name for pathway in pathways.values() for use in pathway.models)
    return load_named(names, bundles_dir)
