"""A commanded run is a result of its own, beside the one before; what is repeated is not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from inference.model import Opinion
from inference.tables import result
from inference.volume import Volume
from inference.worker import Worker
from tests.builders import make_event, make_runtime, make_series_completed
from voorrang.database import Database
from voorrang.events.envelope import decode
from voorrang.events.records import SeriesCompleted
from voorrang.pathways.criteria import SeriesCriteria
from voorrang.tables import outbox

pytestmark = pytest.mark.integration

SCOPE = SeriesCriteria(region="head")


@dataclass(frozen=True, slots=True)
class Unread:
    """A model that is never asked: the manifest of these series is not there, so each run fails, and says so."""

    model_id: str = "reference-head"
    version: str = "1"
    weights_digest: str = "d" * 64
    operating_point: float = 0.5
    scope: SeriesCriteria = SCOPE

    def read(self, volume: Volume) -> Opinion:
        """Fail."""
        raise AssertionError


@pytest.fixture
def worker(database: Database, tmp_path: Path) -> Worker:
    return Worker(make_runtime("inference", database, tmp_path), {"reference-head": Unread()})


def handle(worker: Worker, record: SeriesCompleted) -> None:
    worker.on_series_completed(make_event(record))


def test_each_run_has_its_own_result_and_says_which_it_is(worker: Worker) -> None:
    for run in (1, 2, 2):
        handle(worker, make_series_completed(run=run))

    with worker.runtime.database.read() as connection:
        runs = connection.execute(select(result.c.run).order_by(result.c.run)).scalars().all()
        told = [decode(payload).data.run for payload in connection.execute(select(outbox.c.payload)).scalars()]
    assert runs == [1, 2]
    assert sorted(told) == [1, 2]
