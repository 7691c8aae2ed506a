"""
`voorrang bench ingest-crowd`: one large study while 24 others send, at a hospital's pace and at full speed.

At full speed the study comes twice: after half a minute of the crowd, when all of that have sent much, and in a burst,
with the crowd's own first images, when nobody has. The crowd ends with the study.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from threading import Event as Flag
from time import monotonic
from typing import Any

from voorrang.bench.crowd_sender import Tally
from voorrang.bench.crowding import Crowd, make_templates, stamp_all
from voorrang.bench.emptying import empty_files
from voorrang.bench.machine import describe_machine
from voorrang.bench.measuring import Stamps
from voorrang.bench.names import DCMTK_FORK, DURABLE, LARGE, SMALL, VOLATILE
from voorrang.bench.ours import Voorrang
from voorrang.bench.peers import storescp_fork
from voorrang.bench.programs import PeerMissingError
from voorrang.bench.receiver import Receiver, ReceiverError, count_part10_files, files_below
from voorrang.bench.report import Report, Say
from voorrang.bench.sending import send
from voorrang.bench.slices import Batch, make_batch
from voorrang.demo.counting import accounted_instances
from voorrang.demo.scratch import free_ports

ALONE, PACED, SATURATED, BURST, URGENT = "alone", "paced", "saturated", "burst", "burst, the study's sender is urgent"
TAKE_IN_SECONDS = 120.0
_ROOM_FOR_LARGE_BYTES = 40_000_000_000
_Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class CrowdPlan:
    """
    How much is measured.

    Parameters
    ----------
    senders, per_second
        The crowd, and the pace of each where it has one.
    slices
        Of the large study.
    alone
        How often it is sent alone.
    seconds
        Of each crowd at most.
    lead_seconds
        Of the crowd at full speed before the study, where it does not begin with it.
    saturated_rounds
        Of the crowd at full speed, each receiver in turn.
    all_seconds
        No round is begun after these, but the first.
    """

    senders: int = 24
    per_second: float = 5.0
    slices: int = 600
    alone: int = 3
    seconds: float = 60.0
    lead_seconds: float = 30.0
    saturated_rounds: int = 2
    all_seconds: float = 300.0


@dataclass(slots=True)
class _Bench:
    """What all parts share."""

    scratch: Path
    plan: CrowdPlan
    say: Say
    study: Batch
    templates: list[Batch]
    stamps: Stamps

    def send_study(self, receiver: Receiver) -> dict[str, Any]:
        """Send the large study as a new one."""
        self.study.stamp(self.stamps.next())
        sending = send(self.study.shares(1), receiver.port)
        return {"receiver": receiver.name, "seconds": round(sending.seconds, 3), "problem": sending.problem}


def run_crowd_bench(scratch: Path, plan: CrowdPlan, say: Say, *, has_own_network: bool) -> Report:
    """
    Measure both crowds.

    Parameters
    ----------
    scratch
        Folder for everything, on the disk that is measured.
    plan
        How much.
    say
        Told of progress.
    has_own_network
        Whether nobody outside can reach what listens here.
    """
    deadline = monotonic() + plan.all_seconds
    machine = describe_machine(scratch) | {"own_network": has_own_network}
    has_room = shutil.disk_usage(scratch).free > _ROOM_FOR_LARGE_BYTES
    data, size = (LARGE, 512) if has_room else (SMALL, 64)
    say(f"making a study of {plan.slices} slices, and what {plan.senders} others send ({data})")
    study = make_batch(scratch / "study", LARGE, plan.slices, 512)
    bench = _Bench(scratch, plan, say, study, make_templates(scratch / "crowd", data, size, plan.senders), Stamps())
    missing: dict[str, str] = {}
    rows = _paced(bench, missing)
    for number in range(1, plan.saturated_rounds + 1):
        if number > 1 and monotonic() > deadline:
            break
        rows += _saturated_round(bench, number, missing)
    machine |= {"missing": missing, "crowd_sends": f"{data}, {plan.senders} processes with an association each"}
    return Report(crowd_figures(rows), rows, machine)


def crowd_figures(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the figures of a crowd from its rows."""

    def seconds(scenario: str, receiver: str) -> float | None:
        """Return the median time of the large study."""
        found = [row["seconds"] for row in rows if (row["scenario"], row["receiver"]) == (scenario, receiver)]
        return median(found) if found else None

    ratios = {
        "large_study_crowded_to_alone": (seconds(PACED, DURABLE), seconds(ALONE, DURABLE)),
        "saturated_to_dcmtk_fork": (seconds(SATURATED, DURABLE), seconds(SATURATED, DCMTK_FORK)),
        "burst_to_dcmtk_fork": (seconds(BURST, DURABLE), seconds(BURST, DCMTK_FORK)),
        "urgent_burst_to_dcmtk_fork": (seconds(URGENT, DURABLE), seconds(BURST, DCMTK_FORK)),
        "volatile_burst_to_dcmtk_fork": (seconds(BURST, VOLATILE), seconds(BURST, DCMTK_FORK)),
    }
    figures = {name: round(ours / peer, 4) for name, (ours, peer) in ratios.items() if ours is not None and peer}
    ours = [row for row in rows if row["receiver"] != DCMTK_FORK and row["scenario"] != ALONE]
    for name in ("refused_associations", "lost_associations", "lost_instances") if ours else ():
        figures[name] = sum(row.get(name, 0) for row in ours)
    figures["rows_with_problems"] = sum(bool(row["problem"]) for row in rows)
    return figures


def _paced(bench: _Bench, missing: dict[str, str]) -> _Rows:
    """Send the large study alone and then, as often as there is time for, beside a crowd at its pace."""
    receiver = Voorrang(bench.scratch / "paced", is_volatile=False)
    plan = bench.plan
    rows: _Rows = []
    with ExitStack() as undo:
        if not _started(receiver.name, lambda: receiver, undo, missing, bench.say):
            return rows
        for _ in range(plan.alone):
            os.sync()
            rows.append({"scenario": ALONE, **bench.send_study(receiver)})
            bench.say(f"alone: {rows[-1]['seconds']} s {rows[-1]['problem']}")
            receiver.wait_taken_in([bench.study.study_instance_uid], plan.slices, TAKE_IN_SECONDS)
        stamp_all(bench.templates, bench.stamps)
        started = monotonic()
        crowded: _Rows = []
        with Crowd(receiver.port, bench.templates, plan.per_second, plan.seconds) as crowd:
            while not crowded or monotonic() - started + crowded[-1]["seconds"] < plan.seconds:
                row = {"scenario": PACED, "per_second": plan.per_second, **bench.send_study(receiver)}
                row["study"] = bench.study.study_instance_uid
                crowded.append(row)
                bench.say(f"beside {plan.senders} at {plan.per_second:g}/s: {row['seconds']} s {row['problem']}")
            tally = crowd.wait()
        studies = [row.pop("study") for row in crowded]
        crowded[-1] |= _account(receiver, crowd, tally, studies, len(crowded) * plan.slices)
        crowded[-1]["crowd_instances_per_s"] = round(tally.accepted / plan.seconds, 1)
    return rows + crowded


def _saturated_round(bench: _Bench, number: int, missing: dict[str, str]) -> _Rows:
    """Send the large study to each receiver in turn while a crowd sends as fast as it is answered."""
    folder = bench.scratch / f"round-{number}"
    wanted: list[tuple[str, str, Callable[[], Receiver]]] = [
        (SATURATED, DCMTK_FORK, lambda: storescp_fork(folder / "dcmtk-fork", *free_ports(1))),
        (SATURATED, DURABLE, lambda: Voorrang(folder / "durable", is_volatile=False)),
        (BURST, DCMTK_FORK, lambda: storescp_fork(folder / "dcmtk-burst", *free_ports(1))),
        (BURST, DURABLE, lambda: Voorrang(folder / "burst", is_volatile=False)),
        (BURST, VOLATILE, lambda: Voorrang(folder / "volatile", is_volatile=True)),
        (URGENT, DURABLE, lambda: Voorrang(folder / "urgent", is_volatile=False, is_sender_urgent=True)),
    ]
    rows: _Rows = []
    for scenario, name, make in wanted:
        with ExitStack() as undo:
            receiver = _started(name, make, undo, missing, bench.say)
            if receiver is not None:
                rows.append({"scenario": scenario, "round": number, **_saturate(bench, receiver, scenario)})
                bench.say(f"{scenario}, {name}: {rows[-1]['seconds']} s {rows[-1]['problem']}")
    return rows


def _started(
    name: str, make: Callable[[], Receiver], undo: ExitStack, missing: dict[str, str], say: Say
) -> Receiver | None:
    """Start a receiver, to be ended and its files to be emptied at the end; None when it cannot."""
    try:
        receiver = make()
        receiver.start()
    except (PeerMissingError, ReceiverError) as error:
        missing[name] = str(error)
        say(f"{name}: left out: {error}")
        return None
    undo.callback(empty_files, receiver.folder)
    undo.callback(receiver.stop)
    return receiver


def _saturate(bench: _Bench, receiver: Receiver, scenario: str) -> dict[str, Any]:
    stamp_all(bench.templates, bench.stamps)
    os.sync()
    lead_seconds = bench.plan.lead_seconds if scenario == SATURATED else 0.0
    seconds = bench.plan.seconds + lead_seconds
    started = monotonic()
    with Crowd(receiver.port, bench.templates, 0, seconds) as crowd:
        Flag().wait(lead_seconds)
        row = bench.send_study(receiver)
        took = monotonic() - started
        tally = crowd.stop()
    row["crowd_instances_per_s"] = round(tally.accepted / took, 1)
    if took > seconds:
        row["problem"] = row["problem"] or "the crowd ended before the large study: it takes longer than this says"
    return row | _account(receiver, crowd, tally, [bench.study.study_instance_uid], bench.plan.slices)


def _account(
    receiver: Receiver, crowd: Crowd, tally: Tally, studies: list[str], study_instances: int
) -> dict[str, Any]:
    """Compare what was answered with Success with what is on disk."""
    accepted = tally.accepted + study_instances
    if isinstance(receiver, Voorrang):
        uids = crowd.study_instance_uids + studies
        problem = receiver.wait_taken_in(uids, accepted, TAKE_IN_SECONDS)
        stored = accounted_instances(receiver.settings, uids)
    else:
        problem, stored = "", count_part10_files(files_below(receiver.folder), 0)
    found = {
        "crowd_accepted": tally.accepted,
        "refused_associations": tally.refused,
        "lost_associations": tally.lost,
        "lost_instances": max(0, accepted - stored),
    }
    return found | ({"problem": problem} if problem else {})
