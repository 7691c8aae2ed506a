"""`voorrang bench pipeline`: studies through every service of the embedded stack, with a model that costs nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from statistics import median
from threading import Event as Flag
from typing import Any

from voorrang.bench.machine import describe_machine
from voorrang.bench.pipeline_cores import CoresWatch
from voorrang.bench.pipeline_hop import HOPS, measure_hop
from voorrang.bench.pipeline_model import (
    MODEL,
    PATHWAY,
    QUIET_SECONDS,
    SLICES,
    make_slices,
    write_bundle,
    write_pathway,
)
from voorrang.bench.pipeline_studies import Studies
from voorrang.bench.processes import wait_until
from voorrang.bench.report import Report, Say
from voorrang.bench.slices import study_uid
from voorrang.bench.taken_in import announced
from voorrang.database import Database
from voorrang.demo.counting import Timing, accounted_instances, timings
from voorrang.demo.scratch import ScratchStack
from voorrang.topics import FINDINGS_SCORED

CORES = 2
PACED, AT_ONCE = "paced", "at once"
_WARM_UP = 5
_SETTLE_SECONDS = 240.0
_LOOK_EVERY_SECONDS = 0.5
_AFTER_START_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """
    How much is measured.

    Parameters
    ----------
    studies
        That come one after the other, and as many again that come at once.
    per_second
        How many of the first begin in a second.
    senders
        Associations at once.
    idle_seconds
        How long the stack is watched with nothing to do.
    hops
        Of each kind.
    """

    studies: int = 200
    per_second: float = 1.0
    senders: int = 4
    idle_seconds: float = 15.0
    hops: int = HOPS


class NotAnsweredError(Exception):
    """Studies were left without an answer."""


def run_pipeline_bench(scratch: Path, plan: Plan, say: Say) -> Report:
    """
    Measure everything, on two cores of the machine.

    Parameters
    ----------
    scratch
        Folder for everything, on the disk that is measured.
    plan
        How much.
    say
        Told of progress.
    """
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    os.sched_setaffinity(0, cores)  # and with us every process that we start
    hop = measure_hop(scratch / "hop", say, plan.hops)
    say(f"  hop {hop.figures['hop_ms']} ms, bare loop {hop.figures['plain_loop_ms']} ms")
    stack = ScratchStack({"pathways_dir": str(write_pathway(scratch / "pathways"))}, scratch / "stack")
    prepare(stack, write_bundle(scratch / "bundle"))
    say("starting every service")
    with stack:
        figures, rows = _measure_stack(stack, plan, say)
    notes = {
        **hop.notes,
        "stack": (
            f"{plan.studies} studies of {SLICES} slices of 512x512 at {plan.per_second:g} a second give the times, "
            f"{plan.studies} more on {plan.senders} associations at once the studies per hour; the pathway's quiet "
            f"time of {QUIET_SECONDS:g} s is subtracted; a study is ranked when the worklist decides its place by the "
            f"answer; senders and stack share {len(cores)} cores"
        ),
    }
    machine = describe_machine(scratch) | {"measured_cores": len(cores), "notes": notes}
    return Report(figures | hop.figures, rows + hop.rows, machine)


def prepare(stack: ScratchStack, bundle: Path) -> None:
    """Make the data folder of a stack, and give the model its influence there, by the register's own commands."""
    stack.folder.mkdir(parents=True)
    stack.command("migrate")
    stack.command("model", "add", str(bundle))
    who = ("--actor", "bench", "--role", "bench", "--reason", "measures the platform around a model")
    stack.command("model", "activate", MODEL, "--pathway", PATHWAY, "--influence", "rank", *who)


def latency_figures(seconds: Sequence[float], prefix: str = "") -> dict[str, float]:
    """Return median and 95th percentile, the smallest of which 95 % are not above."""
    ordered = sorted(seconds)
    return {
        f"{prefix}last_slice_to_ranked_p50_s": round(median(ordered), 3),
        f"{prefix}last_slice_to_ranked_p95_s": round(ordered[ceil(0.95 * len(ordered)) - 1], 3),
    }


def _measure_stack(stack: ScratchStack, plan: Plan, say: Say) -> tuple[dict[str, float], list[dict[str, Any]]]:
    studies = Studies(make_slices(), stack.dicom_port)
    database = Database(stack.settings.url())
    first, second = _WARM_UP, _WARM_UP + plan.studies
    try:
        studies.send(range(_WARM_UP), plan.per_second, plan.senders, say)
        _settle(database, _WARM_UP)
        Flag().wait(_AFTER_START_SECONDS)
        say(f"watching it do nothing for {plan.idle_seconds:g} s")
        idle = _watched(stack, lambda: Flag().wait(plan.idle_seconds))
        say(f"sending {plan.studies} studies, {plan.per_second:g} a second")

        def paced() -> None:
            """Send, and wait for the answers."""
            studies.send(range(first, second), plan.per_second, plan.senders, say)
            _settle(database, second)

        def at_once() -> None:
            """Send, and wait for the answers."""
            studies.send(range(second, second + plan.studies), 0, plan.senders, say)
            _settle(database, second + plan.studies)

        busy = _watched(stack, paced)
        say(f"sending {plan.studies} studies at once")
        began = datetime.now(UTC)
        full = _watched(stack, at_once)
    finally:
        database.close()
    found = timings(stack.settings)
    calm = _rows(PACED, range(first, second), found)
    crowded = _rows(AT_ONCE, range(second, second + plan.studies), found)
    _require_all(stack, plan, found)
    took = (max(found[study_uid(n)].ranked_at for n in range(second, second + plan.studies)) - began).total_seconds()
    figures = latency_figures([row["seconds"] for row in calm])
    figures |= {"studies_per_hour": round(3600 * plan.studies / (took - QUIET_SECONDS))}
    figures |= latency_figures([row["seconds"] for row in crowded], "at_once_")
    figures |= {"idle_cores": round(sum(idle.values()), 3)}
    watched = (("idle", idle), (PACED, busy), (AT_ONCE, full))
    return figures, [*calm, *crowded, *({"cores": name, **cores} for name, cores in watched)]


def _watched(stack: ScratchStack, act: Callable[[], object]) -> dict[str, float]:
    watch = CoresWatch(stack.pid)
    act()
    return watch.cores()


def _settle(database: Database, answers: int) -> None:
    if not wait_until(
        lambda: announced(database, FINDINGS_SCORED.name) >= answers, _SETTLE_SECONDS, _LOOK_EVERY_SECONDS
    ):
        raise NotAnsweredError(f"{announced(database, FINDINGS_SCORED.name)} of {answers} studies have an answer")
    Flag().wait(2 * _LOOK_EVERY_SECONDS)  # from the answer to its place


def _require_all(stack: ScratchStack, plan: Plan, found: dict[str, Timing]) -> None:
    uids = [study_uid(number) for number in range(_WARM_UP + 2 * plan.studies)]
    missing = [uid for uid in uids if uid not in found]
    if missing:
        raise NotAnsweredError(f"{len(missing)} of {len(uids)} studies were not ranked")
    accounted = accounted_instances(stack.settings, uids)
    if accounted != SLICES * len(uids):
        raise NotAnsweredError(f"{accounted} of {SLICES * len(uids)} instances are accounted for")


def _rows(scenario: str, studies: Sequence[int], found: dict[str, Timing]) -> list[dict[str, Any]]:
    timed = [(number, found[study_uid(number)]) for number in studies if study_uid(number) in found]
    return [
        {
            "scenario": scenario,
            "study": number,
            "seconds": round(timing.seconds_to_ranked - QUIET_SECONDS, 3),
            "seconds_to_completed": round(timing.seconds_to_completed - QUIET_SECONDS, 3),
        }
        for number, timing in timed
    ]
