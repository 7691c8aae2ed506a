"""A migrated database is what the code thinks it is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, insert, select, text

import inference.tables
import ingest.tables
import voorrang.tables
import worklist.minutes.tables
import worklist.orders.tables
import worklist.reading.tables
import worklist.tables
from tests.integration.conftest import FreshDatabase
from tests.integration.retention_world import instance_row, series_row, study_row
from voorrang.clock import ManualClock
from voorrang.database import Database
from voorrang.errors import ConfigurationError
from voorrang.migrating import _config, migrate, require_current

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


def test_instances_of_before_their_purpose_was_kept_have_that_of_their_study(
    fresh_database: FreshDatabase, clock: ManualClock
) -> None:
    tables, at = ingest.tables, clock.now()
    with fresh_database() as database:
        with database.write() as connection:
            for uid, purpose in (("1.1", "clinical"), ("1.2", "qa"), ("1.3", "demo")):
                connection.execute(insert(tables.study).values(study_row(uid, at) | {"purpose": purpose}))
                connection.execute(insert(tables.series).values(series_row(f"{uid}.1", uid, at)))
                connection.execute(insert(tables.instance).values(instance_row(f"{uid}.1", f"{uid}.1.1", uid, at)))
        go_back(database, "ingest_0004")
        migrate(database)
        with database.read() as connection:
            rows = connection.execute(select(tables.instance.c.locator, tables.instance.c.purpose))
            assert {row.locator: row.purpose for row in rows} == {"1.1": "clinical", "1.2": "qa", "1.3": "demo"}


def test_answers_of_before_the_last_score_was_kept_have_theirs(fresh_database: FreshDatabase) -> None:
    table = worklist.tables.answer
    key = {"pathway": "stroke", "model_id": "head", "version": "1", "weights_digest": "a", "study_instance_uid": "1.1"}
    said = {"1.1.1": ("scored", 0.9), "1.1.2": ("scored", None), "1.1.3": ("failed", None)}
    with fresh_database() as database:
        with database.write() as connection:
            for uid, (state, score) in said.items():
                row = key | {"series_instance_uid": uid, "series_revision": 2, "run": 3}
                connection.execute(insert(table).values(row | {"record": {"state": state, "score": score}}))
        go_back(database, "worklist_0006_one_order")
        migrate(database)
        with database.read() as connection:
            found = {row.series_instance_uid: row for row in connection.execute(select(table))}
        scored = {uid: (row.scored_revision, row.scored_run, row.scored_record) for uid, row in found.items()}
        none = (None, None, None)
        assert scored == {"1.1.1": (2, 3, {"state": "scored", "score": 0.9}), "1.1.2": none, "1.1.3": none}


def test_a_study_that_came_after_its_order_was_called_done_brings_it_back(
    fresh_database: FreshDatabase, clock: ManualClock
) -> None:
    tables, at = worklist.tables, clock.now()
    place = {
        "tier_order": 2,
        "harm_rate": 0.0,
        "harm_order": 0.0,
        "human_tier_order": 2,
        "change": 1,
        "item_version": 1,
    }
    state = {"state": "running", "provisional": False, "view": [], "done_by_hand": True, "listed_as": 2}
    said = {"actor": "anna", "role": "radiologist", "act": "done", "detail": {"reading": None}, "at": at}
    moment = timedelta(minutes=1)
    with fresh_database() as database:
        with database.write() as connection:
            for uid, item_key, received_at in [
                ("1.1", "o_1", at),
                ("1.2", "o_1", at + moment),
                ("1.3", "o_2", at - moment),
            ]:
                times = {"first_received_at": received_at, "last_received_at": at + moment}
                values = {"study_version": 1, "patient_key": "p", "modalities": ["CT"], "prior": False, "claims": []}
                row = {"study_instance_uid": uid, "item_key": item_key} | times | values
                connection.execute(insert(tables.study).values(row))
            for item_key, studies in (("o_1", 2), ("o_2", 1)):
                row = place | state | {"item_key": item_key, "study_count": studies, "arrived_at": at, "ranked_at": at}
                connection.execute(insert(tables.item).values(row))
                connection.execute(insert(worklist.reading.tables.decision).values(said | {"item_key": item_key}))
        go_back(database, "worklist_0007_scored")
        migrate(database)
        with database.read() as connection:
            done = connection.execute(select(tables.study.c.study_instance_uid).where(tables.study.c.done_by_hand))
            assert set(done.scalars()) == {"1.1", "1.3"}
            items = connection.execute(select(tables.item.c.item_key, tables.item.c.listed_as)).all()
            assert dict(map(tuple, items)) == {"o_1": 0, "o_2": 2}


def go_back(database: Database, revision: str) -> None:
    config = _config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
