"""Kill -9 of ingest's processes at random moments of a stream: nothing that was answered is lost or told twice."""

from __future__ import annotations

import os
import random
import signal
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
KILLED = ["listener"] * 5 + ["worker"] * 6 + ["assembler"] * 5 + ["both"] * 4  # 20 moments
SERIES = 12
SLICES = 50
CHUNK = SERIES * SLICES // len(KILLED)
START_SECONDS = 120.0


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
    takes_in = ("assembler", "both")
    for program in (listener, assembler):
        program.start()
        program.wait_ready()
    modality = Modality(world.port, sent)
    modality.start(3, may_send=0)

    begun_at = world.taken_in_to()
    for number, who in enumerate(rng.sample(KILLED, len(KILLED))):
        modality.let_go_on(CHUNK)
        reach = number * CHUNK + rng.randint(1, CHUNK - 3)
        wait_until(modality.has_sent(reach), START_SECONDS, f"{reach} instances to be answered")
        if who in takes_in:  # it is killed at work, not while it starts
            wait_for_intake(world, begun_at)
            Flag().wait(rng.uniform(0, 0.1))
        if who == "worker":
            kill_a_worker(listener, rng)
        else:
            kill(victims[who])
        if who in takes_in:
            begun_at = world.taken_in_to()

    modality.finish()
    require_same(world, sent)
    require_complete(world, sent)
    require_accounted(world, sent)
    assert modality.associations_lost > 0


def test_whatever_is_killed_under_the_supervisor_or_with_it_comes_back(world: IngestWorld) -> None:
    sent = [one for k in range(4) for one in make_series(k, SLICES, 100, seed=1)]
    supervisor = world.program("serve")
    supervisor.start()
    supervisor.wait_ready()
    modality = Modality(world.port, sent)
    modality.start(2, may_send=0)

    for number, words in enumerate(("ingest.listening", "ingest assemble", "")):
        modality.let_go_on(SLICES)
        wait_until(modality.has_sent(number * SLICES + SLICES // 2), START_SECONDS, "half of a series")
        if words:
            os.kill(child_with(supervisor, words), signal.SIGKILL)
        else:
            kill([supervisor])  # the two it watched over end with it

    modality.finish()
    require_same(world, sent)
    require_complete(world, sent)
    require_accounted(world, sent)


def child_with(program: Program, words: str) -> int:
    """Return the one child whose command line has these words."""
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ") for pid in program.children()}
    (found,) = [pid for pid, command in commands.items() if words.encode() in command]
    return found


def wait_for_intake(world: IngestWorld, before: list[tuple[str, int, int]]) -> None:
    """Wait until intake has taken in more than before."""
    wait_until(lambda: world.taken_in_to() != before, START_SECONDS, "intake to work")


def kill_a_worker(listener: Program, rng: random.Random) -> None:
    """Kill one of the processes that receive; the listener replaces it."""
    wait_until(lambda: bool(listener.children()), START_SECONDS, "the listener to have processes")
    os.kill(rng.choice(listener.children()), signal.SIGKILL)


def kill(programs: Sequence[Program]) -> None:
    """Kill and start again at once."""
    for program in programs:
        program.kill()
    for program in programs:
        program.start()
