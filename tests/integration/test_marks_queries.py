"""What stands beside the items of a list is asked for at once, however many of them were judged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.event import listen, remove

from tests.integration.worklist_world import World, make_answer, make_study, uid, worklist_world
from voorrang.database import Database
from worklist.reading.log import Reader
from worklist.reading.marks import Mark, marks

pytestmark = pytest.mark.integration

ANNA = Reader("anna", "radiologist")
MANY = range(1, 31)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A list of thirty flagged exams, each judged."""
    with worklist_world(tmp_path) as made:
        made.activate()
        for number in MANY:
            made.tell(make_study(number), make_answer(number, 0.9))
            made.reading.judge(uid(number), ANNA, "agree", None)
        yield made


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """Give the statements that are sent to a database from now on."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    listen(database.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        remove(database.engine, "before_cursor_execute", note)


def asked(world: World, *item_keys: str) -> tuple[int, dict[str, Mark]]:
    """Return how many statements the marks of some items took, and the marks."""
    with statements(world.database) as sent, world.database.read() as connection:
        found = marks(connection, item_keys)
    return len(sent), found


def test_thirty_judged_items_take_as_many_statements_as_one(world: World) -> None:
    world.tell(make_answer(30, 0.1, revision=2))
    one, _ = asked(world, uid(1))
    thirty, found = asked(world, *map(uid, MANY))

    assert thirty == one
    assert [key for key, mark in found.items() if mark.judged_before] == [uid(30)]
    assert {mark.judgement for mark in found.values()} == {"agree"}


def test_so_do_thirty_that_were_judged_before_their_orders_came(world: World) -> None:
    for number in MANY:
        world.tell(make_study(number, version=2), order_key=f"o_{number}")
    one, _ = asked(world, "o_1")
    thirty, found = asked(world, *(f"o_{number}" for number in MANY))

    assert thirty == one
    assert [(mark.judgement, mark.judged_before) for mark in found.values()] == [("agree", False)] * len(MANY)
