"""Wires monitoring."""

from __future__ import annotations

from monitoring.counting import handlers
from voorrang.runtime import start
from voorrang.settings import Settings


def serve(settings: Settings) -> int:
    """Run monitoring until it is told to stop; return the exit code."""
    runtime = start("monitoring", settings, settings.monitoring_metrics_port)
    runtime.consume(handlers(runtime))
    return runtime.run()
