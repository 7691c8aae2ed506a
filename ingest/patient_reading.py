"""Reads files for intake: a disk that gives errors is asked again for a while, and then nothing waits for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic

from voorrang.errors import RetryableError
from voorrang.runtime import Runtime

PATIENCE_SECONDS = 30.0


@dataclass(slots=True)
class PatientReader:
    """
    Gives what whole batches are made of: what it says is read there alone.

    Parameters
    ----------
    runtime
        The service.
    """

    runtime: Runtime
    _failing_since: dict[str, float] = field(default_factory=dict)

    def read(self, locator: str, size: int = -1) -> bytes:
        """
        Return the bytes under a locator, or so many of them.

        Raises
        ------
        RetryableError
            When the disk does not give them, for a while.
        OSError
            When they are gone, or it has not given them for long.
        """
        try:
            with self.runtime.archive.path(locator).open("rb") as file:
                content = file.read(size)
        except FileNotFoundError:
            raise
        except OSError as error:
            now = monotonic()
            if now - self._failing_since.setdefault(locator, now) < PATIENCE_SECONDS:
                raise RetryableError(f"archive: {error.strerror}") from error
            raise
        self._failing_since.pop(locator, None)
        return content
