"""Wires monitoring."""

from __future__ import annotations

from monitoring.counting import handlers
from voorrang.runtime import start
from voorrang.settings import Settings

FETCH_WAIT_MS = 500  # it only counts: nobody waits for it, and to ask often costs a tenth of a processor


def serve(settings: Settings) -> int:
    """Run monitoring until it is told to stop; return the exit code."""
    runtime = start("monitoring", settings, settings.monitoring_metrics_port, FETCH_WAIT_MS)
    runtime.consume(handlers(runtime))
    return runtime.run()
