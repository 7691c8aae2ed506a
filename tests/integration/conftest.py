"""Real databases: SQLite files copied from one that was migrated once, and PostgreSQL where it is installed."""

from __future__ import annotations

import gc
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL

from tests.neighbours.postgres import PostgresServer, running_postgres
from voorrang.bench.postgres import postgres_missing
from voorrang.database import Database
from voorrang.migrating import migrate

MEMORY = Path("/dev/shm")  # where a transaction need not wait for a disk
MAX_LEFT_OPEN = 30  # what is loaded and cached for the rest of the session
FreshDatabase = Callable[[], AbstractContextManager[Database]]


@pytest.fixture(autouse=True)
def leaves_no_files_open() -> Iterator[None]:
    """Hold that a test leaves few files open: from 1,024 on, no library that uses select(2) can talk any more."""
    before = open_files()
    yield
    if open_files() > before + MAX_LEFT_OPEN:
        gc.collect()
    assert open_files() <= before + MAX_LEFT_OPEN


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL server for the session."""
    if reason := postgres_missing():
        pytest.skip(reason)
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_postgres(postgres: PostgresServer) -> Iterator[Database]:
    """A migrated database on PostgreSQL, to be emptied before each use."""
    database = Database(postgres.new_database())
    migrate(database)
    yield database
    database.close()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def fresh_database(request: pytest.FixtureRequest, migrated_sqlite: Path) -> FreshDatabase:
    """Makes migrated, empty databases, one at a time: on SQLite a copied file, on PostgreSQL emptied tables."""

    @contextmanager
    def on_sqlite() -> Iterator[Database]:
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
            path = Path(folder) / "voorrang.sqlite"
            shutil.copyfile(migrated_sqlite, path)
            database = Database(URL.create("sqlite", database=str(path)))
            try:
                yield database
            finally:
                database.close()

    if request.param == "sqlite":
        return on_sqlite
    migrated: Database = request.getfixturevalue("migrated_postgres")

    @contextmanager
    def on_postgres() -> Iterator[Database]:
        with migrated.write() as connection:
            query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
            tables = connection.execute(text(query)).scalars().all()
            connection.execute(text("SET LOCAL session_replication_role = replica"))  # past append-only triggers
            for table in tables:  # faster than TRUNCATE
                connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - names from the catalogue
        yield migrated

    return on_postgres
