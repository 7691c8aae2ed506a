"""`voorrang ingest serve`, `inference work`, `worklist serve`, `monitoring serve`: one service, here."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

from voorrang.commands import ingest_operations, ingest_orders, ingest_quarantine, ingest_retention, worklist_taking
from voorrang.settings import load_settings
from voorrang.stack.local import VERBS


def add_parser(commands: Any) -> None:
    """Add these commands."""
    for service, verb in VERBS.items():
        parser = commands.add_parser(service, help=f"run the {service} service until SIGTERM or Ctrl-C")
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        verbs.add_parser(verb, help=f"run {service}").set_defaults(run=run)
        if service == "ingest":
            _add_halves(verbs)
            ingest_operations.add_verbs(verbs)
            ingest_quarantine.add_verbs(verbs)
            ingest_retention.add_verbs(verbs)
            ingest_orders.add_verbs(verbs)
        if service == "worklist":
            worklist_taking.add_verbs(verbs)


def _add_halves(verbs: Any) -> None:
    listen = verbs.add_parser("listen", help="the listener alone; `serve` runs it and `assemble`")
    listen.add_argument("--volatile", action="store_true", help="for benchmarks only: answer before bytes are on disk")
    listen.set_defaults(run=run_listener)
    assemble = verbs.add_parser("assemble", help="rows, completeness and events alone; `serve` runs it and `listen`")
    assemble.set_defaults(run=run)


def run_listener(arguments: argparse.Namespace) -> int:
    """Become the listener."""
    from ingest.becoming_listener import listen

    return listen(load_settings(), is_durable=not arguments.volatile)


def run(arguments: argparse.Namespace) -> int:
    """Run one service; only its own packages are imported."""
    settings = load_settings()
    module = import_module(f"{arguments.command}.service")
    return int(getattr(module, arguments.verb)(settings))
