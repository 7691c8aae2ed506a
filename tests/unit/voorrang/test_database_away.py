"""What a database says that goes away in the middle of a transaction is to be retried; a defect of ours is not."""

from __future__ import annotations

import pytest
from psycopg import Error, InterfaceError, errors
from sqlalchemy.exc import DBAPIError

from voorrang.database import Database
from voorrang.errors import RetryableError


def fail(database: Database, error: DBAPIError) -> None:
    with database.write():
        raise error


@pytest.mark.parametrize(
    "said",
    [
        errors.AdminShutdown,
        errors.ReadOnlySqlTransaction,
        errors.IdleInTransactionSessionTimeout,
        errors.TransactionTimeout,
    ],
)
def test_a_server_that_goes_away_or_becomes_a_standby_is_retryable(database: Database, said: type[Error]) -> None:
    wrapped = DBAPIError.instance("INSERT", {}, said("patient JANSEN"), Error)
    assert isinstance(wrapped, DBAPIError)

    with pytest.raises(RetryableError, match=f"^database: {said.__name__}$"):
        fail(database, wrapped)


def test_a_connection_that_broke_is_retryable(database: Database) -> None:
    with pytest.raises(RetryableError):
        fail(database, DBAPIError("INSERT", {}, InterfaceError("closed"), connection_invalidated=True))


@pytest.mark.parametrize("said", [errors.InternalError_, errors.UndefinedTable, errors.StringDataRightTruncation])
def test_a_defect_is_not(database: Database, said: type[Error]) -> None:
    with pytest.raises(DBAPIError):
        fail(database, DBAPIError("INSERT", {}, said("no such table")))
