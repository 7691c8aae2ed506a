"""What is spent around a model: from `series-completed` at the worker's handler to `findings-scored` in the outbox."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from inference.running.messages import Start
from inference.running.process import ChildReader
from inference.worker import Worker
from voorrang import outbox
from voorrang.bench import costless
from voorrang.bench.archived_chest import archive_chest
from voorrang.bench.measured import Measured
from voorrang.bench.processes import peak_rss_bytes
from voorrang.bench.report import Say
from voorrang.bench.without_broker import runtime_without_broker
from voorrang.events.envelope import Event, decode, event_id
from voorrang.events.records import ScoringState, SeriesCompleted
from voorrang.purpose import Purpose
from voorrang.runtime import Runtime
from voorrang.settings import Settings

SLICES, ROWS, ROUNDS = 300, 512, 15
WARM_UPS = 2
TIME_LIMIT_SECONDS = 60.0
_NOTE = (
    "one series of {slices} slices of {rows}x{rows}, page cache warm, one worker with its child process, SQLite on the "
    "disk; from the call of the worker's handler with the event to its return: findings-scored is in the outbox by "
    "then, and the receipt of the event too; the model is given the volume at its own spacing and answers at once; "
    "geometry, gate, and the look for lungs that are cut off are in it; median of {rounds} series one after the other; "
    "memory: the peak of the child that reads"
)


def measure_overhead(scratch: Path, say: Say, slices: int = SLICES, rows: int = ROWS, rounds: int = ROUNDS) -> Measured:
    """
    Measure.

    Parameters
    ----------
    scratch
        Data folder of the worker.
    say
        Told of progress.
    slices, rows, rounds
        How many slices of what size, and how often they are read.

    Returns
    -------
    Measured
        Median of all rounds, ms.
    """
    say(f"archiving {slices} slices of {rows}x{rows}")
    settings = Settings(data_dir=scratch, purpose=Purpose.DEMO, site="bench", disk_reserve_bytes=0)
    runtime = runtime_without_broker("inference", settings)
    record = archive_chest(runtime.archive, slices, rows, runtime.clock)
    found = []
    with _worker(runtime, record.pathway) as (worker, reader):
        for number in range(1 - WARM_UPS, rounds + 1):
            milliseconds = _handle(worker, _event(runtime, record, number + WARM_UPS))
            if number > 0:
                say(f"round {number} {milliseconds:8.1f} ms")
                found.append(milliseconds)
        peak_mb = round(peak_rss_bytes(reader.pid) / 1e6, 1)
    _require_scored(runtime, rounds + WARM_UPS)
    runtime.database.close()
    rows_found = [
        {"overhead": "handler", "round": n, "slices": slices, "ms": ms} for n, ms in enumerate(found, start=1)
    ]
    figures = {f"overhead_ms_{slices}_slices": round(median(found), 1), "overhead_child_peak_rss_mb": peak_mb}
    return Measured(figures, rows_found, notes={"overhead": _NOTE.format(slices=slices, rows=rows, rounds=rounds)})


@contextmanager
def _worker(runtime: Runtime, pathway: str) -> Iterator[tuple[Worker, ChildReader]]:
    settings = runtime.settings
    start = Start(
        names=tuple(use.name for use in runtime.pathways[pathway].models),
        bundles_dir=settings.bundles_dir,
        data_dir=settings.data_dir,
        archive_dir=settings.archive_dir,
        loader=costless.LOADER,
    )
    reader = ChildReader(start, TIME_LIMIT_SECONDS)
    try:
        reader.require_ready()
        yield Worker(runtime, reader), reader
    finally:
        reader.close()


def _event(runtime: Runtime, record: SeriesCompleted, run: int) -> Event[Any]:
    """Return the event of a run: to the worker, as if somebody had asked for the series again."""
    asked = record.model_copy(update={"run": run})
    uid = record.study_instance_uid
    return Event(
        id=event_id(record.event_type, uid, run),
        source="ingest",
        type=record.event_type,
        time=runtime.clock.now(),
        subject=uid,
        traceparent=runtime.keys.traceparent(uid),
        purpose=runtime.settings.purpose,
        site=runtime.settings.site,
        patient_key="",
        order_key="",
        data=asked,
    )


def _handle(worker: Worker, event: Event[Any]) -> float:
    """Return how long the handler takes, ms."""
    os.sync()  # what the round before has written is not ours to wait for
    began = perf_counter()
    worker.on_series_completed(event)
    return round(1000 * (perf_counter() - began), 2)


def _require_scored(runtime: Runtime, count: int) -> None:
    """Check that every series was really read: a refusal is quicker than an answer."""
    with runtime.database.read() as connection:
        answers = [decode(row.message.value).data for row in outbox.waiting(connection, "inference", 2 * count)]
    states = [answer.state for answer in answers]
    if states != [ScoringState.SCORED] * count:
        raise RuntimeError(f"{count} series were to be scored, got {states}: {answers[-1:]}")
