"""Kill -9 in the middle of a study: everything recovers, and every study is scored once."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from inference.tables import result
from ingest.tables import claim
from tests.e2e.world import built_in, child_pid, child_pids, listens, send, settled, until
from voorrang.database import Database
from voorrang.demo.counting import accounted_instances
from voorrang.demo.running import STROKE, activate_models
from voorrang.demo.scratch import ScratchStack
from voorrang.events.envelope import decode
from voorrang.tables import outbox

pytestmark = pytest.mark.e2e


@pytest.fixture
def stack() -> Iterator[ScratchStack]:
    with ScratchStack() as running:
        yield running


@pytest.fixture
def database(stack: ScratchStack) -> Iterator[Database]:
    opened = Database(stack.settings.url())
    yield opened
    opened.close()


def published(database: Database, topic: str) -> list[bytes]:
    """Return the payloads of a topic that the broker has acknowledged."""
    with database.read() as connection:
        where = (outbox.c.topic == topic) & outbox.c.published_at.is_not(None)
        return list(connection.execute(select(outbox.c.payload).where(where)).scalars())


def test_killed_worker_and_wiped_broker_leave_every_study_scored_once(stack: ScratchStack, database: Database) -> None:
    activate_models(stack)
    studies = built_in("head-normal", "chest-normal", "head-normal-2", "head-bleed")
    send(stack, studies)

    until(lambda: published(database, "series-completed-urgent"), "a series to be on its way to the worker")
    os.kill(child_pid(stack, "voorrang inference work"), signal.SIGKILL)
    until(lambda: published(database, "series-completed-routine"), "the chest to be complete")
    os.kill(child_pid(stack, "broker --listener-url"), signal.SIGKILL)

    items = settled(stack, studies)
    assert {name: item["state"] for name, item in items.items()} == dict.fromkeys(items, "scored")
    assert items["head-bleed"]["rank"] == 1

    with database.read() as connection:
        results = Counter(connection.execute(select(result.c.series_instance_uid)).scalars())
        events = connection.execute(select(outbox.c.payload).where(outbox.c.topic == "findings-scored")).scalars()
        scored = Counter(decode(payload).data.series_instance_uid for payload in events)
    expected = {str(study.instances[0].SeriesInstanceUID): 1 for study in studies}
    assert results == scored == expected

    until(lambda: _all_answered(database), "ingest to hear every answer")
    uids = [str(study.instances[0].StudyInstanceUID) for study in studies]
    assert accounted_instances(stack.settings, uids) == sum(len(study.instances) for study in studies)


def test_killed_ingest_and_worklist_come_back_with_what_they_knew(stack: ScratchStack) -> None:
    activate_models(stack, STROKE)
    first, second = built_in("head-normal", "head-bleed")
    send(stack, [first])
    killed = {words: child_pid(stack, words) for words in ("ingest.listening", "voorrang ingest assemble")}
    for pid in (*killed.values(), child_pid(stack, "voorrang worklist serve")):
        os.kill(pid, signal.SIGKILL)
    until(lambda: all(child_pids(stack, words) not in ([pid], []) for words, pid in killed.items()), "another ingest")
    until(lambda: listens(stack), "the listener to be back")
    send(stack, [second])
    items = settled(stack, [first, second])
    assert [items[study.name]["rank"] for study in (first, second)] == [2, 1]


def _all_answered(database: Database) -> bool:
    with database.read() as connection:
        rows = connection.execute(select(claim.c.completed_revision, claim.c.answered_revision)).all()
    return bool(rows) and all(row.completed_revision == row.answered_revision > 0 for row in rows)
