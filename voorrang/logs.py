"""Logs: one JSON line each when not a terminal, on stderr, without names or UIDs above DEBUG."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

UID_PATTERN = re.compile(r"\b[0-9]+(?:\.[0-9]+){4,}\b")
_CHATTY = ("kafka", "pynetdicom", "pydicom", "uvicorn", "alembic", "asyncio")

Event = MutableMapping[str, Any]


def configure_logging(service: str, level: str) -> None:
    """
    Send our log lines and the libraries' warnings to stderr.

    Parameters
    ----------
    service
        Named in every line.
    level
        DEBUG, INFO, WARNING or ERROR.
    """
    threshold = getattr(logging, level)
    renderer: Any = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _drop_identifiers if threshold > logging.DEBUG else _keep,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(service=service)
    # Libraries put data set elements and addresses into their messages: only at DEBUG do they speak.
    logging.basicConfig(level=logging.DEBUG if threshold <= logging.DEBUG else logging.CRITICAL, stream=sys.stderr)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING if threshold <= logging.DEBUG else logging.CRITICAL)


def get_logger() -> structlog.stdlib.BoundLogger:
    """Return the logger; everything bound to it goes into each line."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger


def _drop_identifiers(_: Any, __: str, event: Event) -> Event:
    return {key: UID_PATTERN.sub("(uid)", value) if isinstance(value, str) else value for key, value in event.items()}


def _keep(_: Any, __: str, event: Event) -> Event:
    return event
