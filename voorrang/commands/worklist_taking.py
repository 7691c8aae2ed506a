"""`voorrang worklist take REFERENCE`: take a critical finding of which on-call radiology was told."""

from __future__ import annotations

import argparse
import http.client
import json
import sys
from typing import Any

from voorrang.errors import RetryableError
from voorrang.settings import load_settings

PATIENCE_SECONDS = 20.0


def add_verbs(verbs: Any) -> None:
    """Add this verb to `voorrang worklist`."""
    parser = verbs.add_parser("take", help="take a critical finding: on-call radiology is told no more")
    parser.add_argument("reference", type=int, help="the number that the message had")
    parser.add_argument("--reader", default="", help="who takes it: one of VOORRANG_READERS (needless with one)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask the running service, which writes it down; exit 1 when it is refused."""
    settings = load_settings()
    connection = http.client.HTTPConnection(settings.bind_host, settings.worklist_port, timeout=PATIENCE_SECONDS)
    path = f"/api/worklist/calls/{arguments.reference}/acknowledge"
    try:
        body = json.dumps({"reader": arguments.reader})
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
    except OSError as error:
        raise RetryableError(f"the worklist does not answer on port {settings.worklist_port}: start it") from error
    finally:
        connection.close()
    if answer.status == 204:
        sys.stdout.write(f"reference {arguments.reference} is taken; on-call radiology is told no more\n")
        return 0
    sys.stderr.write(f"voorrang: {_why(said, answer.status)}\n")
    return 1


def _why(said: bytes, status: int) -> str:
    try:
        why = json.loads(said)["detail"]
    except (ValueError, KeyError, TypeError):
        return f"refused with status {status}"
    return why if isinstance(why, str) else f"refused with status {status}"
