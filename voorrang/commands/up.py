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
from voorrang.settings import Settings, load_settings
from voorrang.stack.local import VERBS, local_children, require_room
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
    sys.stderr.write(
        f"voorrang is up for purpose {settings.purpose.value}\n{what_is_open(settings)}  Ctrl-C stops everything\n"
    )
    supervisor.run()
    sys.stderr.write("voorrang: everything is stopped\n")
    return 0


def what_is_open(settings: Settings) -> str:
    """Return a line for each thing that listens, and where."""
    dicom = _ports(settings.bind_host, settings.dicom_port, settings.dicom_tls_port)
    hl7 = _ports(settings.bind_host, settings.hl7_port, settings.hl7_tls_port)
    metrics = ", ".join(f"{getattr(settings, f'{service}_metrics_port')} {service}" for service in VERBS)
    return (
        f"  worklist  http://{settings.bind_host}:{settings.worklist_port}/\n"
        f"  DICOM     {', '.join(settings.called_ae_titles)} at {dicom}\n"
        + (f"  HL7       {hl7}\n" if hl7 else "")
        + f"  metrics   ports {metrics}\n"
    )


def _ports(host: str, plain: int, tls: int) -> str:
    found = [f"{host}:{plain}"] if plain else []
    found += [f"{host}:{tls} with TLS"] if tls else []
    return " and ".join(found)
