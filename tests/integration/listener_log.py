"""What the listener writes to its log while a test runs, as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import Any

from tests.integration.worklist_world import logging_restored
from voorrang.logs import configure_logging

Line = dict[str, Any]


@contextmanager
def listener_log() -> Iterator[Callable[[], list[Line]]]:
    """Give what reads the lines since the start; logging is as before at the end."""
    written = StringIO()
    with logging_restored():
        with redirect_stderr(written):
            configure_logging("ingest-listener", "INFO")
        yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]


def reasons(lines: list[Line]) -> list[str]:
    """Return why connections ended, in the order in which they did."""
    return [line["reason"] for line in lines if "reason" in line]
