"""One decision, one transaction; begun again where another got in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from voorrang.database import Connection
from voorrang.errors import RetryableError
from voorrang.runtime import Runtime

ATTEMPTS = 50

T = TypeVar("T")


def decide(runtime: Runtime, act: Callable[[Connection, datetime], T]) -> T:
    """
    Run an act in one transaction, with the time at which it begins.

    On PostgreSQL a transaction that another got in between of begins again: it sees the list as it is then, and of
    those that meet, one goes on. On SQLite writers wait for each other instead, and who waited in vain is told so.

    Raises
    ------
    RetryableError
        When the database is away, or others got in between each time.
    """
    for left in reversed(range(ATTEMPTS)):
        try:
            with runtime.database.write() as connection:
                done = act(connection, runtime.clock.now())
        except RetryableError:
            if runtime.database.is_sqlite or not left:
                raise
        else:
            runtime.relay.wake.set()
            return done
    raise RetryableError("database: others got in between each time")
