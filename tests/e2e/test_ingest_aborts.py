"""Senders that break off, at every kind of place: nothing half-stored, nobody else held up, and a retry succeeds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.tally import Count
from tests.e2e.ingest_world import (
    IngestWorld,
    ingest_world,
    require_accounted,
    require_complete,
    require_same,
)
from tests.e2e.modality import SUCCESS, Modality, Outgoing, make_series
from tests.integration.listening import CT, CT_CONTEXT
from tests.neighbours.embedded import embedded_missing
from tests.neighbours.raw_scu import ABORT, FRAGMENT, RawSCU
from tests.neighbours.starting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(bool(embedded_missing()), reason=embedded_missing())]

PDU_HEADER, PDV_HEADER = 6, 6
A_ABORT = bytes([ABORT, 0, 0, 0, 0, 4, 0, 0, 0, 0])
SPILLED = 1600  # a matrix of some 5 MB: beyond what is kept in memory, so that it comes into a part file
IDLE_SECONDS = 2
WITHIN_SECONDS = 120.0


def send_abort(scu: RawSCU) -> None:
    """End an association with an A-ABORT that says nothing of why."""
    scu.push(A_ABORT)
    scu.vanish()


ENDINGS: dict[str, Callable[[RawSCU], None]] = {
    "closes": RawSCU.vanish,
    "resets": RawSCU.reset,
    "aborts": send_abort,
}


@pytest.fixture
def world(tmp_path: Path, migrated_sqlite: Path) -> Iterator[IngestWorld]:
    with ingest_world(tmp_path, migrated_sqlite, association_idle_seconds=IDLE_SECONDS) as made:
        for verb in ("listen", "assemble"):
            program = made.program(verb)
            program.start()
            program.wait_ready()
        yield made


def places(message: bytes, rng: random.Random) -> list[int]:
    """Return how many bytes of a message to send: into and around each of its headers, and anywhere within."""
    command = PDU_HEADER + int.from_bytes(message[2:6], "big")
    fragment = command + PDU_HEADER + PDV_HEADER + FRAGMENT
    kept = [1, PDU_HEADER - 1, PDU_HEADER, PDU_HEADER + 3, PDU_HEADER + PDV_HEADER, command // 2, command]
    kept += [command + 1, command + PDU_HEADER, command + PDU_HEADER + PDV_HEADER, fragment - 1, fragment, fragment + 3]
    return [*kept, *(rng.randrange(fragment, len(message)) for _ in range(4)), len(message) - 1]


def is_at_boundary(message: bytes, kept: int) -> bool:
    """Tell whether so many bytes of a message end with the end of a PDU: there an A-ABORT is read as one."""
    at = 0
    while at < kept:
        at += PDU_HEADER + int.from_bytes(message[at + 2 : at + 6], "big")
    return at == kept


def break_off(world: IngestWorld, one: Outgoing, kept: int, ending: str) -> None:
    """Send some of an instance and end the association so."""
    scu = RawSCU(world.port, [CT_CONTEXT])
    scu.__enter__()
    scu.push(scu.message(CT_CONTEXT, CT, one.sop_instance_uid, one.data_set)[:kept])
    ENDINGS[ending](scu)


def all_places(world: IngestWorld, one: Outgoing, rng: random.Random) -> list[tuple[int, str]]:
    """Return every place at which to break off, with every way to do so that is possible there."""
    with RawSCU(world.port, [CT_CONTEXT]) as scu:
        message = scu.message(CT_CONTEXT, CT, one.sop_instance_uid, one.data_set)
    return [
        (kept, ending)
        for kept in places(message, rng)
        for ending in ENDINGS
        if ending != "aborts" or is_at_boundary(message, kept)
    ]


@pytest.mark.parametrize("matrix", [150, SPILLED], ids=["in-memory", "in-a-part-file"])
def test_what_was_broken_off_anywhere_is_nowhere_and_can_be_sent_again(world: IngestWorld, matrix: int) -> None:
    sent = make_series(0, 3, matrix)
    broken = all_places(world, sent[0], random.Random(matrix))
    assert {ending for _, ending in broken} == set(ENDINGS)
    for kept, ending in broken:
        break_off(world, sent[0], kept, ending)
    wait_until(lambda: world.count(Count.ASSOCIATIONS_OPEN) == 0, WITHIN_SECONDS, "the associations to be ended")
    assert world.count(Count.ASSOCIATIONS_ABORTED) == world.count(Count.ASSOCIATIONS_OPENED) - 1 == len(broken)
    assert list(world.archive.incoming.iterdir()) == []
    assert list(world.archive.instances()) == []

    modality = Modality(world.port, sent)
    modality.start()
    modality.finish()
    assert (modality.associations_lost, set(modality.statuses)) == (0, {SUCCESS})
    require_same(world, sent)
    require_complete(world, sent)
    require_accounted(world, sent)


def test_who_breaks_off_before_hearing_the_answer_sends_again_and_it_is_one_instance(world: IngestWorld) -> None:
    sent = make_series(0, 6, 100)
    for one, ending in zip(sent, [*ENDINGS] * 2, strict=True):
        break_off(world, one, len(one.data_set) * 2, ending)
    modality = Modality(world.port, sent)
    modality.start()
    modality.finish()
    assert set(modality.statuses) == {SUCCESS}
    require_same(world, sent)
    require_complete(world, sent)
    require_accounted(world, sent)


def test_senders_that_fall_silent_in_mid_message_hold_nobody_up_and_are_ended(world: IngestWorld) -> None:
    silent, sent = make_series(0, 12, 150), make_series(1, 12, 100)
    held = []
    for one in silent:
        scu = RawSCU(world.port, [CT_CONTEXT], calling="SILENT")
        scu.__enter__()
        scu.push(scu.message(CT_CONTEXT, CT, one.sop_instance_uid, one.data_set)[: len(one.data_set) // 2])
        held.append(scu)
    modality = Modality(world.port, [*sent, *silent])
    modality.start(may_send=len(sent))
    wait_until(modality.has_sent(len(sent)), WITHIN_SECONDS, "the others to be answered")
    wait_until(lambda: world.programs[0].said().count("association too_slow") == len(held), WITHIN_SECONDS, "endings")
    modality.finish()
    for scu in held:
        scu.vanish()
    require_same(world, [*sent, *silent])
    require_complete(world, [*sent, *silent])
    require_accounted(world, [*sent, *silent])
