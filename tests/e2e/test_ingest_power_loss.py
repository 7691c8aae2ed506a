"""
The machine loses power, as far as a test can say so: what no sync had reached is torn or gone, then all starts again.

What is durable is what the last checkpoint covers and the write-ahead log itself; a file, a name or a line of the
ledger that is younger may be there, half there or gone, in any mixture. The database, which syncs each commit, may
know more than the ledger that it was read from.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from ingest.admission import Request as StoreRequest
from ingest.part10 import before_data_set
from ingest.tables import instance, refusal
from ingest.torn import MACHINE_WENT_DOWN
from tests.e2e.ingest_world import (
    IngestWorld,
    Program,
    ingest_world,
    require_accounted,
    require_complete,
    require_same,
)
from tests.e2e.modality import Modality, Outgoing, make_series
from tests.integration.listening import CT, EXPLICIT_LITTLE, data_set_of
from tests.neighbours.embedded import embedded_missing
from tests.neighbours.starting import wait_until
from voorrang.archive.write_ahead_log import Record, WriteAheadLog
from voorrang.purpose import Purpose

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(bool(embedded_missing()), reason=embedded_missing())]

SLICES = 40
SERIES = 8
SENDERS = 3
TRIES = 3
WITHIN_SECONDS = 120.0
HEAD_BYTES = 900  # within which a file says what it is


@pytest.fixture
def world(tmp_path: Path, migrated_sqlite: Path) -> Iterator[IngestWorld]:
    with ingest_world(tmp_path, migrated_sqlite) as made:
        yield made


def records_since_checkpoint(archive: Path) -> list[Record]:
    """Return what the write-ahead logs hold of which the rest of the disk may know nothing."""
    return [one for folder in (archive / "write-ahead").glob("[0-9]*") for one in WriteAheadLog(folder).records()]


def rows_of_what_may_be_lost(world: IngestWorld) -> int:
    """Count what the database knows already and the rest of the disk may not."""
    locators = [json.loads(one.meta)["locator"] for one in records_since_checkpoint(world.settings.archive_dir)]
    return len(world.rows(select(instance.c.locator).where(instance.c.locator.in_(locators))))


def stand_still_ahead_of_the_disk(world: IngestWorld, modality: Modality, listener: Program) -> None:
    """Stop the listener in the middle of a series, so that no checkpoint comes any more; go on when one just came."""
    for _ in range(TRIES):
        answered = len(modality.answered)
        modality.let_go_on(SLICES)
        wait_until(modality.has_sent(answered + SLICES // 2), WITHIN_SECONDS, "half of a series")
        listener.stand_still()
        if len(records_since_checkpoint(world.settings.archive_dir)) >= SLICES // 2:
            return
        listener.go_on()
    pytest.fail("a checkpoint after each half series")


def lose_power(archive: Path, rng: random.Random) -> int:
    """Take away what no sync had reached; nothing may be running. Return how many files were hit."""
    records = records_since_checkpoint(archive)
    unsynced = {json.loads(record.meta)["locator"] for record in records}
    carried = {json.loads(record.meta)["locator"] for record in records if record.payload}  # of others a file is synced
    hit = sum(tear(archive / locator, rng) for locator in sorted(carried))
    for ledger in (archive / "ledger").iterdir():
        cut(max(ledger.iterdir()), unsynced)
    for told in (archive / "write-ahead").glob("*boot-id"):
        told.write_text("the run of the machine that ended so")
    return hit


def leave_half(world: IngestWorld, one: Outgoing) -> bytes:
    """Leave a part of an instance under its name, as when the power goes before anybody was answered; return it."""
    request = StoreRequest(CT, one.sop_instance_uid, "MODALITY0", "VOORRANG")
    whole = before_data_set(request, EXPLICIT_LITTLE, Purpose.CLINICAL) + one.data_set
    study = one.series_instance_uid.removesuffix(".1")
    path = Path(world.archive.instance_path(study, one.series_instance_uid, one.sop_instance_uid))
    path.write_bytes(whole[: len(whole) // 2])
    return path.read_bytes()


def tear(path: Path, rng: random.Random) -> bool:
    """Delete, empty, cut off or blank a file, or leave it; tell whether it was hit. A folder may go with its file."""
    size = path.stat().st_size
    how = rng.choice(["gone", "empty", "cut", "beheaded", "blank", "whole"])
    if how == "gone":
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    elif how == "blank":
        path.write_bytes(bytes(size))
    elif how != "whole":
        os.truncate(path, {"empty": 0, "cut": rng.randrange(1, size), "beheaded": rng.randrange(1, HEAD_BYTES)}[how])
    return how != "whole"


def cut(segment: Path, unsynced: Collection[str]) -> None:
    """Cut a segment of the ledger off in the middle of the first line behind the last one that is durable."""
    lines = segment.read_bytes().splitlines(keepends=True)
    durable = [n for n, line in enumerate(lines) if json.loads(line).get("locator") not in unsynced]
    kept = max(durable, default=-1) + 1
    torn = lines[kept][: len(lines[kept]) // 2] if kept < len(lines) else b""
    segment.write_bytes(b"".join(lines[:kept]) + torn)


def test_what_was_answered_before_the_power_went_is_there_when_it_is_back(world: IngestWorld) -> None:
    rng = random.Random(7)
    sent = [one for k in range(SERIES) for one in make_series(k, SLICES, 120)]
    listener, assembler = world.program("listen"), world.program("assemble")
    for program in (listener, assembler):
        program.start()
        program.wait_ready()
    modality = Modality(world.port, sent)
    modality.start(SENDERS, may_send=0)

    stand_still_ahead_of_the_disk(world, modality, listener)
    wait_until(lambda: rows_of_what_may_be_lost(world) > 0, WITHIN_SECONDS, "rows of what may be lost")
    listener.kill()
    assembler.kill()
    assert lose_power(world.settings.archive_dir, rng) >= SLICES // 4
    torn = [leave_half(world, sent[-1])]

    listener.start()  # the second time nobody has read the ledger
    listener.wait_ready()
    stand_still_ahead_of_the_disk(world, modality, listener)
    listener.kill()
    assert lose_power(world.settings.archive_dir, rng) >= SLICES // 4
    torn.append(leave_half(world, sent[-2]))

    assembler.start()
    waits = "waits until the listener has brought back"
    wait_until(lambda: waits in assembler.said(), WITHIN_SECONDS, "the assembler to wait for the listener")
    listener.start()
    modality.finish()
    require_same(world, sent)
    require_complete(world, sent)
    require_accounted(world, sent)
    waiting = world.rows(select(refusal.c.locator, refusal.c.reason))
    assert {row.reason for row in waiting} == {MACHINE_WENT_DOWN}
    found = [world.archive.read(row.locator) for row in waiting]
    assert set(torn) <= set(found)
    # A sender had one under way, perhaps, that had its name already when the listener stood still.
    under_way = [data_set_of(one) for one in found if one not in torn]
    assert len(found) == len(torn) + len(under_way)
    assert len(under_way) <= 2 * SENDERS
    assert set(under_way) <= {one.data_set for one in sent}
    assert world.programs[0].said().count("recovered from the write-ahead log") >= 2
