"""`voorrang ingest serve`, `inference work`, `worklist serve`, `monitoring serve`: one service, here."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

from voorrang.settings import load_settings
from voorrang.stack.local import VERBS


def add_parser(commands: Any) -> None:
    """Add these commands."""
    for service, verb in VERBS.items():
        parser = commands.add_parser(service, help=f"run the {service} service until SIGTERM or Ctrl-C")
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        verbs.add_parser(verb, help=f"run {service}").set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run one service; only its own packages are imported."""
    settings = load_settings()
    module = import_module(f"{arguments.command}.service")
    return int(getattr(module, arguments.verb)(settings))
