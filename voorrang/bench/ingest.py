"""`voorrang bench ingest`: how fast instances are received, beside dcmtk, Orthanc and pynetdicom in the same run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

from voorrang.bench.figures import speed_figures
from voorrang.bench.machine import describe_machine
from voorrang.bench.measuring import Row, Stamps
from voorrang.bench.memory import measure_growth
from voorrang.bench.names import DCMTK_FORK, DCMTK_FSYNC, DURABLE, LARGE, ORTHANC, PYNETDICOM_APP, SMALL, VOLATILE
from voorrang.bench.ours import Voorrang
from voorrang.bench.peers import Orthanc, pynetdicom_app, storescp_fork, storescp_fsync
from voorrang.bench.programs import PeerMissingError
from voorrang.bench.receiver import Receiver, ReceiverError
from voorrang.bench.report import Report, Say
from voorrang.bench.rounds import Batches, Plan, run_rounds
from voorrang.bench.slices import make_batch
from voorrang.demo.scratch import free_ports

LARGE_ROWS, SMALL_ROWS = 512, 64
NO_NETWORK = "binds every address, and this machine gives no network of its own (root or user namespaces)"


def run_ingest_bench(scratch: Path, plan: Plan, say: Say, *, has_own_network: bool) -> Report:
    """
    Measure everything.

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

    Returns
    -------
    Report
        Figures of what could run; what could not is named in `machine.missing`.
    """
    deadline = monotonic() + plan.seconds
    machine = describe_machine(scratch) | {"own_network": has_own_network}
    rows: list[Row] = []
    missing: dict[str, str] = {}
    say(f"making {plan.large} slices of 512x512 and {plan.small} of 64x64 in {scratch}")
    stamps = Stamps()
    with ExitStack() as undo:
        large = make_batch(scratch / "large", LARGE, plan.large, LARGE_ROWS)
        receivers = _start(scratch, missing, undo, say, has_own_network=has_own_network)
        small = make_batch(scratch / "small", SMALL, plan.small, SMALL_ROWS)
        few = make_batch(scratch / "few", SMALL, min(plan.small, plan.small_to_slow), SMALL_ROWS)
        for row in run_rounds(receivers, Batches(large, small, few), plan, deadline, stamps):
            say(_line(row))
            rows.append(row)
        peaks_mb = [one.listener_peak_rss_mb() for one in receivers if isinstance(one, Voorrang)]
    figures = speed_figures(rows)
    if DURABLE not in missing:
        say("the listener's memory, 1 and 24 associations")
        more_rows, (peak_mb, growth_mb) = measure_growth(scratch / "memory", large, stamps)
        rows += more_rows
        figures |= {"listener_peak_rss_mb": max(peak_mb, *peaks_mb), "listener_rss_growth_mb": growth_mb}
    machine |= {"missing": missing, "measured": _measured(rows, plan)}
    return Report(figures, [row.to_json() for row in rows], machine)


def _start(
    scratch: Path, missing: dict[str, str], undo: ExitStack, say: Say, *, has_own_network: bool
) -> list[Receiver]:
    """Start every receiver that can be; each stays there, idle, while the others are measured."""

    def orthanc() -> Receiver:
        """Return Orthanc, where nobody outside can reach it."""
        if not has_own_network:
            raise PeerMissingError(NO_NETWORK)
        return Orthanc(scratch / "orthanc", *free_ports(2))

    wanted: dict[str, Callable[[], Receiver]] = {
        DCMTK_FORK: lambda: storescp_fork(scratch / "dcmtk-fork", *free_ports(1)),
        VOLATILE: lambda: Voorrang(scratch / "volatile", is_volatile=True),
        DURABLE: lambda: Voorrang(scratch / "durable", is_volatile=False),
        DCMTK_FSYNC: lambda: storescp_fsync(scratch / "dcmtk-fsync", *free_ports(1)),
        ORTHANC: orthanc,
        PYNETDICOM_APP: lambda: pynetdicom_app(scratch / "pynetdicom", *free_ports(1)),
    }
    started = []
    for name, make in wanted.items():
        try:
            receiver = make()
            receiver.start()
        except (PeerMissingError, ReceiverError) as error:
            missing[name] = str(error)
            say(f"{name}: left out: {error}")
            continue
        undo.callback(receiver.stop)
        started.append(receiver)
    return started


def _measured(rows: list[Row], plan: Plan) -> str:
    last = max((row.round for row in rows), default=0)
    return (
        f"{last} of {plan.rounds} rounds (slow peers {plan.slow_rounds}, small instances {plan.small_rounds}; "
        f"pynetdicom gets {plan.small_to_slow} small ones); "
        "every receiver in turn, all else written to disk before each run; all but slow peers are started anew for "
        "each round"
    )


def _line(row: Row) -> str:
    return (
        f"round {row.round} {row.data:>8} {row.associations} assoc {row.receiver:<38} {row.mb_per_s:8.1f} MB/s "
        f"{row.instances_per_s:8.1f}/s {row.cpu_s_per_gb:7.2f} CPU s/GB {row.peak_rss_mb:6.0f} MB "
        f"{'ok' if row.ok else row.problem}"
    )
