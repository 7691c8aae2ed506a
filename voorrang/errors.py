"""Errors whose type tells the caller what to do."""

from __future__ import annotations


class ConfigurationError(Exception):
    """Stop: something that a person must change; the message says what and how."""


class RetryableError(Exception):
    """Retry later: the same call may succeed (broker away, database locked)."""


class InvalidMessageError(Exception):
    """
    Dead-letter: this message will never be handled, however often it is retried.

    Parameters
    ----------
    code
        A word from a closed set, fit for a metric label.
    detail
        What was wrong, for the dead letter; never shown above DEBUG.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
