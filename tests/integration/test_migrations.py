"""A migrated database is what the code thinks it is."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, text

import inference.tables
import ingest.tables
import voorrang.tables
import worklist.minutes.tables
import worklist.orders.tables
import worklist.reading.tables
import worklist.tables
from tests.integration.conftest import FreshDatabase
from voorrang.errors import ConfigurationError
from voorrang.migrating import migrate, require_current

pytestmark = pytest.mark.integration

TABLES = (voorrang.tables, ingest.tables, inference.tables, worklist.tables)


@pytest.fixture(scope="module")
def everything() -> MetaData:
    """The tables of every service, together."""
    together = MetaData()
    for tables in TABLES:
        for table in tables.metadata.tables.values():
            table.to_metadata(together)
    return together


def test_every_table_is_declared_once_under_the_name_of_its_owner(everything: MetaData) -> None:
    assert len(everything.tables) == sum(len(tables.metadata.tables) for tables in TABLES)
    for tables in TABLES[1:]:
        service = tables.__name__.split(".")[0]
        assert all(name.startswith(f"{service}_") for name in tables.metadata.tables)


def test_a_migrated_database_equals_the_tables_of_every_service(
    fresh_database: FreshDatabase, everything: MetaData
) -> None:
    with fresh_database() as database, database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, everything) == []


def test_migrating_again_changes_nothing(fresh_database: FreshDatabase) -> None:
    with fresh_database() as database:
        migrate(database)
        require_current(database)


def test_a_database_of_another_version_is_refused(fresh_database: FreshDatabase) -> None:
    with fresh_database() as database:
        with database.write() as connection:
            heads = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
            connection.execute(
                text("UPDATE alembic_version SET version_num = 'later' WHERE version_num LIKE 'ingest%'")
            )
        try:
            with pytest.raises(ConfigurationError, match="voorrang migrate"):
                require_current(database)
        finally:
            with database.write() as connection:
                ingest_head = next(head for head in heads if head.startswith("ingest"))
                statement = "UPDATE alembic_version SET version_num = :head WHERE version_num = 'later'"
                connection.execute(text(statement), {"head": ingest_head})
