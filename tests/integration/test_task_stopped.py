"""A round that came to no end is not counted: the alert TaskStopped goes by how often a task did."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.listening import make_stack, make_station, own_database
from tests.integration.retention_world import metric
from tests.neighbours.starting import wait_until
from voorrang.clock import ManualClock
from voorrang.database import Database
from voorrang.errors import RetryableError

pytestmark = pytest.mark.integration

WITHIN_SECONDS = 30.0


def rounds(task: str) -> float:
    return metric("voorrang_task_rounds_total", service="ingest", task=task)


def test_only_a_count_that_was_made_is_counted(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_database(tmp_path) as database:
        station = make_station(database, tmp_path / "data", clock)
        station.receive(*make_stack(3))
        attempts: list[None] = []

        def away(*_: object, **__: object) -> None:
            attempts.append(None)
            raise RetryableError("database: OperationalError")

        before = rounds("accounting")
        with monkeypatch.context() as patch:
            patch.setattr(Database, "_connect", away)
            station.runtime.every(0.01, "accounting", station.accountant.step)
            wait_until(lambda: len(attempts) >= 3, WITHIN_SECONDS, "attempts")
            # The gauge still says what it said: nobody can tell from it that nothing is known any more.
            assert metric("voorrang_waiting_instances") == 0
            assert rounds("accounting") == before

        wait_until(lambda: rounds("accounting") > before, WITHIN_SECONDS, "a round")
        assert metric("voorrang_waiting_instances") == 3
        station.runtime.stop.set()
