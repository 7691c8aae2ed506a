"""On SQLite and PostgreSQL alike: two readers never have one item, and nobody changes what was decided."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.builders import make_event, make_runtime, make_study_updated
from tests.integration.conftest import FreshDatabase
from tests.integration.worklist_world import NOON
from voorrang.database import Database
from voorrang.errors import RetryableError
from worklist.handlers import handlers
from worklist.ranking import Ranking
from worklist.reading import log
from worklist.reading.acts import Reading
from worklist.reading.log import Act, Reader
from worklist.reading.refusing import ActRefusedError

pytestmark = pytest.mark.integration

READERS = 6
STATEMENTS = (
    "UPDATE worklist_decision SET actor = 'somebody else'",
    "DELETE FROM worklist_decision",
    "UPDATE worklist_decision SET id = id + 100",
)
ON_SQLITE_ONLY = (
    "INSERT OR REPLACE INTO worklist_decision SELECT id, at, 'x', role, act, item_key, detail FROM worklist_decision"
)


def a_list(database: Database, folder: Path, count: int) -> Reading:
    runtime = make_runtime("worklist", database, folder)
    handle = handlers(runtime, Ranking(runtime))["study-updated"]
    for number in range(1, count + 1):
        study = f"1.2.3.{number}"
        handle(make_event(make_study_updated(study_instance_uid=study), subject=study, order_key=""))
    return Reading(runtime)


def test_readers_who_press_next_at_once_get_an_item_each(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    with fresh_database() as database:
        reading = a_list(database, tmp_path, READERS)
        together = Barrier(READERS)

        def press(number: int) -> str:
            together.wait()
            return reading.open_next(Reader(f"reader {number}", "radiologist")).item_key

        with ThreadPoolExecutor(READERS) as pool:
            opened = list(pool.map(press, range(READERS)))
        with database.read() as connection:
            lines = log.decisions(connection, opened)

    assert sorted(opened) == [f"1.2.3.{number}" for number in range(1, READERS + 1)]
    assert all([line.act for line in lines[key]] == [Act.OPENED] for key in opened)


def test_of_readers_who_open_one_item_at_once_one_has_it(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    with fresh_database() as database:
        reading = a_list(database, tmp_path, 1)
        together = Barrier(READERS)

        def press(number: int) -> str | None:
            together.wait()
            try:
                return reading.open("1.2.3.1", Reader(f"reader {number}", "radiologist"), "list").actor
            except ActRefusedError:
                return None

        with ThreadPoolExecutor(READERS) as pool:
            (winner,) = [actor for actor in pool.map(press, range(READERS)) if actor]
        with database.read() as connection:
            (line,) = log.decisions(connection, ["1.2.3.1"])["1.2.3.1"]

    assert line.actor == winner


def test_the_decision_log_only_grows(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    with fresh_database() as database:
        a_list(database, tmp_path, 1).open_next(Reader("anna", "radiologist"))
        emptied = () if database.is_sqlite else ("TRUNCATE worklist_decision",)
        replaced = (ON_SQLITE_ONLY,) if database.is_sqlite else ()
        for statement in (*STATEMENTS, *emptied, *replaced):
            with (
                pytest.raises((DBAPIError, RetryableError), match=r"append-only|IntegrityError|RaiseException"),
                database.write() as connection,
            ):
                connection.execute(text(statement))
        with database.read() as connection:
            (line,) = log.decisions(connection, ["1.2.3.1"])["1.2.3.1"]

    assert (line.actor, line.role, line.act) == ("anna", "radiologist", Act.OPENED)


def test_what_was_said_is_found_where_its_studies_have_moved(fresh_database: FreshDatabase) -> None:
    with fresh_database() as database:
        with database.write() as connection:
            for before, after in [("a", "b"), ("b", "c"), ("c", "d"), ("x", "y"), ("y", "x")]:
                log.append(connection, Act.FOLLOWED, after, log.ITSELF, NOON, {"from": before})
        with database.read() as connection:
            found = [log.followed_to(connection, key) for key in ("a", "c", "d", "nobody")]
            assert log.followed_to(connection, "x") in ("x", "y")  # in a circle it ends

    assert found == ["d", "d", "d", "nobody"]
