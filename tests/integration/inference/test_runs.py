"""A commanded run is a result of its own, beside the one before; what is repeated is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import select

from inference.failures import Failure
from inference.reading import Outcome, failed
from inference.running.messages import Job
from inference.tables import result
from inference.worker import Worker
from tests.builders import MODEL, make_event, make_runtime, make_series_completed
from voorrang.database import Database
from voorrang.events.envelope import decode
from voorrang.events.records import ModelIdentity, SeriesCompleted
from voorrang.tables import outbox

pytestmark = pytest.mark.integration


@dataclass(frozen=True, slots=True)
class Failing:
    """A reader each of whose readings fails, and says so."""

    identities: Mapping[str, ModelIdentity] = field(default_factory=lambda: {"reference-head": MODEL})

    def read(self, job: Job) -> Iterator[tuple[str, Outcome]]:
        """Fail."""
        return ((name, failed(Failure.MANIFEST_UNREADABLE)) for name in job.models)


@pytest.fixture
def worker(database: Database, tmp_path: Path) -> Worker:
    return Worker(make_runtime("inference", database, tmp_path), Failing())


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
