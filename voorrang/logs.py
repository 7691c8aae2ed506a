"""Logs: one JSON line each when not a terminal, on stderr, without names or UIDs above DEBUG."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from traceback import StackSummary, walk_tb
from typing import Any

import structlog

# Five numbers joined by dots, or three that are long together, as a UID made from a UUID is (2.25.…); no address or
# version number looks like that.
UID_PATTERN = re.compile(r"[0-9]+(?:\.[0-9]+){4,}|(?=[0-9.]{20})[0-9]+(?:\.[0-9]+){2,}")
_FRAMES = 4
_CHATTY = ("kafka", "pynetdicom", "pydicom", "uvicorn", "alembic", "asyncio", "py.warnings")

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
    is_terminal = sys.stderr.isatty()
    renderers: list[Any] = (
        [structlog.dev.ConsoleRenderer()]
        if is_terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )

    def name_service(_: Any, __: str, event: Event) -> Event:
        """Put the name of the service into a line."""
        # Not a context variable: threads do not inherit those.
        return {"service": service, **event}

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            name_service,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            drop_identifiers,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries put data set elements and addresses into their messages: only at DEBUG do they speak. Their Python
    # warnings go the same way: pydicom's quote the value that they are about.
    logging.basicConfig(level=logging.DEBUG if threshold <= logging.DEBUG else logging.CRITICAL, stream=sys.stderr)
    logging.captureWarnings(True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING if threshold <= logging.DEBUG else logging.CRITICAL)


def get_logger() -> structlog.stdlib.BoundLogger:
    """Return the logger; everything bound to it goes into each line."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger


def of_defect(error: BaseException) -> dict[str, str]:
    """Return what a line says of a defect: its type, and the files and lines it came through; its text may quote."""
    through = StackSummary.extract(walk_tb(error.__traceback__), lookup_lines=False)[-_FRAMES:]
    at = " > ".join(f"{'/'.join(Path(one.filename).parts[-2:])}:{one.lineno}" for one in through)
    return {"reason": type(error).__name__, "at": at}


def drop_identifiers(_: Any, method: str, event: Event) -> Event:
    """Take UIDs and tracebacks, whose text may quote anything, out of a line above DEBUG."""
    if method == "debug":
        return event
    return {key: _without_uids(value) for key, value in event.items() if key not in {"exc_info", "stack_info"}}


def _without_uids(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {_without_uids(key): _without_uids(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_without_uids(item) for item in value]
    # Anything else would be written as its text, so its text is what is looked at.
    return UID_PATTERN.sub("(uid)", str(value))
