"""One database by one URL: SQLite in WAL mode on one machine, PostgreSQL in production."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection as Connection
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from voorrang.errors import RetryableError

BUSY_TIMEOUT_MS = 10_000
_WRITES = "voorrang_writes"
_DURABLE = "voorrang_durable"
# SQLSTATE of what PostgreSQL does not class as operational: a primary that has become a standby takes no writes, and a
# session or a transaction was ended for its length (appendix A of its manual: 25006, 25P03, 25P04).
_RETRYABLE_STATES = frozenset({"25006", "25P03", "25P04"})


class Database:
    """
    Transactions on one database.

    On both, a reading transaction sees one moment, and writing transactions have the effect of one after the other:
    what a handler derives from the rows it has read holds when it commits. On SQLite a writing transaction takes the
    write lock when it begins (BEGIN IMMEDIATE), so that it never fails half-way because another got in between; on
    PostgreSQL it is serializable, and one that another got in between of is to be retried.

    Parameters
    ----------
    url
        SQLAlchemy URL, `sqlite` or `postgresql+psycopg`.
    """

    def __init__(self, url: URL) -> None:
        self.is_sqlite = url.get_backend_name() == "sqlite"
        if self.is_sqlite and url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        self.engine: Engine = create_engine(url, pool_pre_ping=not self.is_sqlite)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection for a reading transaction."""
        with _retryable(), self._connect(writes=False) as connection:
            yield connection

    @contextmanager
    def write(self, *, is_durable: bool = True) -> Iterator[Connection]:
        """
        Give a connection for one writing transaction: committed at the end, rolled back on any error.

        Parameters
        ----------
        is_durable
            Whether the commit waits for the disk. False for what may be lost when the machine dies, not when a process
            does, and is found again: on SQLite everybody waits for the write lock while somebody's commit is synced.

        Raises
        ------
        RetryableError
            When the database is locked, away or takes no writes now, or another transaction got in between.
        """
        with _retryable(), self._connect(writes=True, is_durable=is_durable) as connection, connection.begin():
            if not self.is_sqlite and not is_durable:
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO OFF")
            yield connection

    def close(self) -> None:
        """Let go of the connections."""
        self.engine.dispose()

    def _connect(self, *, writes: bool, is_durable: bool = True) -> Connection:
        if self.is_sqlite:
            return self.engine.connect().execution_options(**{_WRITES: writes, _DURABLE: is_durable})
        return self.engine.connect().execution_options(isolation_level="SERIALIZABLE" if writes else "REPEATABLE READ")


@contextmanager
def _retryable() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if not _is_away(error):
            raise
        raise RetryableError(f"database: {type(error.orig).__name__}") from error
    except PoolTimeoutError as error:
        raise RetryableError("database: every connection is in use") from error


def _is_away(error: DBAPIError) -> bool:
    said = getattr(error.orig, "sqlstate", None)
    return isinstance(error, OperationalError) or error.connection_invalidated or said in _RETRYABLE_STATES


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions are begun by _begin_sqlite, not by the driver
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",  # first: changing the journal mode may have to wait too
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    writes = options.get(_WRITES, False)
    if writes:
        connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if options.get(_DURABLE, True) else 'NORMAL'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
