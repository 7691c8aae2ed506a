"""Transactions keep their promises on SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.engine import URL

from tests.builders import START
from tests.integration.conftest import FreshDatabase
from voorrang import database as database_module
from voorrang.database import Database
from voorrang.errors import RetryableError
from voorrang.outbox import insert_once
from voorrang.tables import receipt

pytestmark = pytest.mark.integration


def values(event_id: str) -> dict[str, object]:
    return {"consumer": "test", "event_id": event_id, "outcome": "handled", "at": START}


def count(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(receipt)).scalar_one())


def test_an_error_rolls_everything_back(fresh_database: FreshDatabase) -> None:
    with fresh_database() as database:

        def fail() -> None:
            with database.write() as connection:
                connection.execute(insert(receipt).values(**values("one")))
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert count(database) == 0


def test_a_row_is_inserted_once_and_each_caller_is_told(fresh_database: FreshDatabase) -> None:
    with fresh_database() as database:
        with database.write() as connection:
            told = [insert_once(connection, receipt, values(event_id)) for event_id in ("one", "one", "two")]
        with database.write() as connection:
            told.append(insert_once(connection, receipt, values("one")))
        assert told == [True, False, True, False]


def test_a_server_that_writes_no_more_is_retryable(fresh_database: FreshDatabase) -> None:
    """After a failover the primary may have become a standby in the middle of a transaction."""
    with fresh_database() as database:
        if database.is_sqlite:
            pytest.skip("SQLite has no standby")

        def write() -> None:
            with database.write() as connection:
                connection.exec_driver_sql("SET TRANSACTION READ ONLY")
                connection.execute(insert(receipt).values(**values("one")))

        with pytest.raises(RetryableError, match="ReadOnlySqlTransaction"):
            write()


def test_a_reader_sees_one_moment(fresh_database: FreshDatabase) -> None:
    with fresh_database() as database, database.read() as reading:
        query = select(func.count()).select_from(receipt)
        assert reading.execute(query).scalar_one() == 0
        with database.write() as writing:
            writing.execute(insert(receipt).values(**values("one")))
        assert reading.execute(query).scalar_one() == 0
        assert count(database) == 1


def test_of_two_writers_that_decide_by_what_the_other_writes_one_is_told_to_retry(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_MS", 1)
    with fresh_database() as database:
        query = select(func.count()).select_from(receipt)

        def meet() -> None:
            with database.write() as one:
                assert one.execute(query).scalar_one() == 0
                with database.write() as other:
                    assert other.execute(query).scalar_one() == 0
                    other.execute(insert(receipt).values(**values("other")))
                one.execute(insert(receipt).values(**values("one")))

        with pytest.raises(RetryableError):
            meet()
        assert count(database) <= 1


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A SQLite database that waits for nobody."""
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_MS", 1)
    database = Database(URL.create("sqlite", database=str(tmp_path / "folder" / "new.sqlite")))
    yield database
    database.close()


def test_a_locked_database_is_retryable(impatient: Database) -> None:
    with impatient.write(), pytest.raises(RetryableError), impatient.write():
        pass


def test_a_database_that_cannot_be_opened_is_retryable(tmp_path: Path) -> None:
    database = Database(URL.create("sqlite", database=str(tmp_path)))
    with pytest.raises(RetryableError), database.read():
        pass
    database.close()


def test_a_pool_without_a_free_connection_is_retryable(impatient: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(impatient.engine.pool, "_timeout", 0)
    held = [impatient.engine.connect() for _ in range(15)]
    with pytest.raises(RetryableError), impatient.read():
        pass
    for connection in held:
        connection.close()


def test_a_server_that_is_away_is_retryable() -> None:
    database = Database(URL.create("postgresql+psycopg", username="u", host="127.0.0.1", port=1, database="d"))
    with pytest.raises(RetryableError), database.read():
        pass
    with pytest.raises(RetryableError), database.write():
        pass
    database.close()
