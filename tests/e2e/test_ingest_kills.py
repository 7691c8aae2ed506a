"""Kill -9 of ingest's processes at random moments of a stream: nothing that was answered is lost or told twice."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event as Flag

import pytest

from tests.e2e.ingest_world import (
    IngestWorld,
    Program,
    ingest_world,
    require_accounted,
    require_complete,
    require_same,
)
from tests.e2e.modality import Modality, make_series
from tests.neighbours.embedded import embedded_missing
from tests.neighbours.starting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(bool(embedded_missing()), reason=embedded_missing())]

SEED = 20261122
KILLED = ["listener"] * 9 + ["assembler"] * 6 + ["both"] * 5
SERIES = 12
SLICES = 50
CHUNK = SERIES * SLICES // len(KILLED)
START_SECONDS = 20.0


@pytest.fixture
def world(tmp_path: Path, migrated_sqlite: Path) -> Iterator[IngestWorld]:
    with ingest_world(tmp_path, migrated_sqlite) as made:
        yield made


def test_twenty_kills_in_a_stream_lose_nothing_and_double_nothing(world: IngestWorld) -> None:
    rng = random.Random(SEED)
    sent = [one for k in range(SERIES) for one in make_series(k, SLICES, rng.randint(70, 170))]
    rng.shuffle(sent)
    listener, assembler = world.program("listen"), world.program("assemble")
    victims = {"listener": [listener], "assembler": [assembler], "both": [listener, assembler]}
    for program in (listener, assembler):
        program.start()
        program.wait_ready()
    modality = Modality(world.port, sent, within_seconds=90)
    modality.start(3, may_send=0)

    begun_at = world.taken_in_to()
    for number, who in enumerate(rng.sample(KILLED, len(KILLED))):
        modality.let_go_on(CHUNK)
        reach = number * CHUNK + rng.randint(1, CHUNK - 3)
        wait_until(modality.has_sent(reach), START_SECONDS, f"{reach} instances to be answered")
        if who != "listener":  # it is killed at work, not while it starts
            wait_until(lambda since=begun_at: world.taken_in_to() != since, START_SECONDS, "intake to work")
            Flag().wait(rng.uniform(0, 0.1))
        kill(victims[who])
        if who != "listener":
            begun_at = world.taken_in_to()

    modality.finish()
    require_same(world, sent)
    require_complete(world, sent)
    require_accounted(world, sent)
    assert modality.associations_lost > 0


def kill(programs: Sequence[Program]) -> None:
    """Kill and start again at once."""
    for program in programs:
        program.kill()
    for program in programs:
        program.start()
