"""`voorrang up`: everything on this machine until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from threading import Event as Flag
from typing import Any

from voorrang.commands.migrate import prepare
from voorrang.errors import ConfigurationError
from voorrang.logs import configure_logging
from voorrang.readiness import tell_ready
from voorrang.settings import load_settings
from voorrang.stack.local import local_children, require_room
from voorrang.stack.supervising import Supervisor


def add_parser(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser("up", help="run everything on this machine until Ctrl-C")
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Run everything until told to stop; exit 1 when something could not start."""
    settings = load_settings()
    configure_logging("up", settings.log_level)
    stop = Flag()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    os.umask(0o077)
    require_room(settings)
    try:
        prepare(settings)
    except OSError as error:
        raise ConfigurationError(f"data folder {settings.data_dir}: {error.strerror}") from error
    supervisor = Supervisor(local_children(settings), stop)
    if not supervisor.start():
        return 0
    tell_ready()
    titles = ", ".join(settings.called_ae_titles)
    sys.stderr.write(
        f"voorrang is up for purpose {settings.purpose.value}\n"
        f"  worklist  http://{settings.bind_host}:{settings.worklist_port}/\n"
        f"  DICOM     {titles} at {settings.bind_host}:{settings.dicom_port}\n"
        f"  metrics   ports {settings.ingest_metrics_port} ingest, {settings.inference_metrics_port} inference, "
        f"{settings.worklist_metrics_port} worklist, {settings.monitoring_metrics_port} monitoring\n"
        "  Ctrl-C stops everything\n"
    )
    supervisor.run()
    sys.stderr.write("voorrang: everything is stopped\n")
    return 0
