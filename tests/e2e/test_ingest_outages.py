"""A broker that is away and a database that is locked: whoever sends hears nothing of either."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from time import monotonic

import pytest

from tests.e2e.ingest_world import (
    IngestWorld,
    Program,
    ingest_world,
    require_accounted,
    require_complete,
    require_same,
)
from tests.e2e.modality import Modality, Outgoing, make_slices, outgoing, write_files
from tests.integration.listening import AE_TITLE
from tests.neighbours.dcmtk import counted_by_storescu, run_dcmtk
from tests.neighbours.embedded import embedded_missing
from tests.neighbours.starting import wait_until
from voorrang.events.envelope import decode
from voorrang.kafka_bus import KafkaAddress, KafkaBrokerAdmin, KafkaGroupConsumer

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(bool(embedded_missing()), reason=embedded_missing())]

AWAY_SECONDS = 5.0  # longer shows nothing more: what waits is rows
WITHIN_SECONDS = 120.0
SLICES = 20


@pytest.fixture
def world(tmp_path: Path, migrated_sqlite: Path) -> Iterator[IngestWorld]:
    with ingest_world(tmp_path, migrated_sqlite) as made:
        yield made


@pytest.fixture
def programs(world: IngestWorld) -> list[Program]:
    """Return listener and assembler, running."""
    made = [world.program("listen"), world.program("assemble")]
    for program in made:
        program.start()
        program.wait_ready()
    return made


def store_by_dcmtk(world: IngestWorld, series: int) -> list[Outgoing]:
    """Send a series with storescu, which does not try twice; every instance must be answered Success."""
    slices = make_slices(series, SLICES, 100)
    files = write_files(slices, world.folder / f"series-{series}")
    done = run_dcmtk("storescu", "-v", "-aec", AE_TITLE, "127.0.0.1", str(world.port), *files)
    assert done.returncode == 0, done.stdout[-1000:]
    assert counted_by_storescu(done.stdout) == len(files)
    return [outgoing(ds) for ds in slices]


def wait_until_held_by_the_broker(world: IngestWorld, told: set[tuple[str, str]]) -> None:
    """Read from the broker until every one of these (series, digest) came as a `series-completed`."""
    address = KafkaAddress(world.broker.bootstrap)
    admin = KafkaBrokerAdmin(address)
    consumer = KafkaGroupConsumer(address, "test-reader", ["series-completed-urgent"], admin)
    found: set[tuple[str, str]] = set()

    def all_came() -> bool:
        """Read what there is."""
        records = [decode(received.value).data for received in consumer.poll(0.2)]
        found.update((data.series_instance_uid, data.instances_digest) for data in records)
        return found == told

    try:
        wait_until(all_came, WITHIN_SECONDS, "every event to be on the broker")
    finally:
        consumer.close()
        admin.close()


def require_running(programs: Sequence[Program], pids: Sequence[int]) -> None:
    assert [(program.is_running(), program.pid) for program in programs] == [(True, pid) for pid in pids]


def test_broker_that_was_away_and_comes_back_empty_gets_every_event(
    world: IngestWorld, programs: list[Program]
) -> None:
    pids = [program.pid for program in programs]
    sent = store_by_dcmtk(world, 0)
    require_complete(world, sent)

    world.broker.kill()
    since = monotonic()
    sent += store_by_dcmtk(world, 1)
    require_same(world, sent)  # files and rows need no broker
    wait_until(lambda: monotonic() - since > AWAY_SECONDS, WITHIN_SECONDS, "the broker to be away for long")
    sent += store_by_dcmtk(world, 2)
    assert len(world.events("series-completed")) == 1
    world.broker.start()

    require_same(world, sent)
    require_complete(world, sent)
    require_accounted(world, sent)
    require_running(programs, pids)
    told = {(e.data.series_instance_uid, e.data.instances_digest) for e in world.events("series-completed")}
    assert len(told) == 3
    wait_until_held_by_the_broker(world, told)


def test_database_that_is_locked_delays_rows_and_no_answer(world: IngestWorld, programs: list[Program]) -> None:
    pids = [program.pid for program in programs]
    sent = store_by_dcmtk(world, 0)
    with closing(sqlite3.connect(world.settings.data_dir / "voorrang.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        slices = make_slices(1, 4 * SLICES, 100)
        modality = Modality(world.port, [outgoing(ds) for ds in slices])
        modality.start(2, may_send=2 * SLICES)
        sent += store_by_dcmtk(world, 2)
        wait_until(modality.has_sent(2 * SLICES), WITHIN_SECONDS, "answers while the database is locked")
        wait_until(lambda: "intake waits" in programs[1].said(), WITHIN_SECONDS, "intake to notice the lock")
        modality.let_go_on(SLICES)
        wait_until(modality.has_sent(3 * SLICES), WITHIN_SECONDS, "answers after intake has noticed")
        other.execute("ROLLBACK")
    modality.finish()
    assert modality.associations_lost == 0
    sent += modality.instances
    require_same(world, sent)
    require_complete(world, sent)
    require_accounted(world, sent)
    require_running(programs, pids)
