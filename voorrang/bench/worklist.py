"""`voorrang bench worklist`: 10,000 open items, how fast an event moves one and how fast the list is read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from voorrang.bench.machine import describe_machine
from voorrang.bench.postgres import postgres_missing, running_postgres, url_of
from voorrang.bench.report import Report, Say

ITEMS = 10_000
EVENTS = 400
PATIENCE_SECONDS = 280.0
_NOTE = (
    "one process as the service is, loopback, no relay and no broker; every item has a named patient; rank: from the "
    "handler's call with an event (4 of 5 an answer that flags or no longer flags an item, 1 of 5 a new study) until a "
    "client has read the first page that shows it; list: the first page, in turn with the same rows as one indexed "
    "query gives them, as JSON, by the same framework; the ratio is that of the medians; memory: peak of the process"
)


def run_worklist_bench(scratch: Path, say: Say, items: int = ITEMS, events: int = EVENTS) -> Report:
    """
    Measure on SQLite, then on PostgreSQL where it is installed.

    Parameters
    ----------
    scratch
        Folder for the databases.
    say
        Told of progress.
    items, events
        How many open items, and how many events of each kind.

    Returns
    -------
    Report
        Figures, those of PostgreSQL with `_pg` at the end; what could not run is named in `machine.missing`.
    """
    machine = describe_machine(scratch) | {"missing": {}, "notes": {"worklist": _NOTE}}
    say(f"SQLite: {items} items")
    found = _measure(f"sqlite:///{scratch / 'worklist.sqlite'}", items, events)
    figures, rows = dict(found["figures"]), list(found["rows"])
    missing = postgres_missing()
    if missing:
        say(f"PostgreSQL: {missing}")
        machine["missing"]["postgresql"] = missing
        return Report(figures, rows, machine)
    say(f"PostgreSQL: {items} items")
    with running_postgres(scratch.parent) as port:  # not below our own scratch folder: that is closed to its user
        found = _measure(url_of(port), items, events)
    figures |= {f"{name}_pg": value for name, value in found["figures"].items()}
    return Report(figures, rows + found["rows"], machine)


def _measure(url: str, items: int, events: int) -> dict[str, Any]:
    """Measure in a process of its own, for its memory."""
    command = [sys.executable, "-m", "voorrang.bench.worklist_once", url, str(items), str(events)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=PATIENCE_SECONDS)  # noqa: S603
    found: dict[str, Any] = json.loads(done.stdout)
    return found
