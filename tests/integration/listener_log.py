"""What the listener writes to its log while a test runs, as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.integration.worklist_world import logging_restored
from voorrang.logs import configure_logging

Line = dict[str, Any]


@contextmanager
def listener_log(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[Line]]]:
    """Give what reads the lines since the start; logging is as before at the end."""
    lines: list[Line] = []

    def read() -> list[Line]:
        lines.extend(json.loads(line) for line in capsys.readouterr().err.splitlines())
        return lines

    capsys.readouterr()
    with logging_restored():
        configure_logging("ingest-listener", "INFO")
        yield read
