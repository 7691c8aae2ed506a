"""`voorrang bench ingest`: how fast instances are received, beside dcmtk, Orthanc and pynetdicom in the same run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from voorrang.bench.figures import ASSOCIATIONS, speed_figures
from voorrang.bench.machine import describe_machine
from voorrang.bench.measuring import WARM_UP, Row, Stamps, measure
from voorrang.bench.memory import measure_growth
from voorrang.bench.names import DCMTK_FORK, DCMTK_FSYNC, DURABLE, LARGE, ORTHANC, PYNETDICOM_APP, SMALL, VOLATILE
from voorrang.bench.ours import Voorrang
from voorrang.bench.peers import Orthanc, pynetdicom_app, storescp_fork, storescp_fsync
from voorrang.bench.programs import PeerMissingError
from voorrang.bench.receiver import Receiver, ReceiverError
from voorrang.bench.report import Report, Say
from voorrang.bench.slices import Batch, make_batch
from voorrang.demo.scratch import free_ports

LARGE_ROWS, SMALL_ROWS = 512, 64
_WARMING = max(ASSOCIATIONS)  # a listener has several processes, and each takes its first instance more slowly
_SLOW = frozenset({ORTHANC, PYNETDICOM_APP})
_OF_SMALL = (DCMTK_FORK, VOLATILE, DURABLE, PYNETDICOM_APP)
NO_NETWORK = "binds every address, and this machine gives no network of its own (root or user namespaces)"


@dataclass(frozen=True, slots=True)
class Plan:
    """
    How much is measured.

    Parameters
    ----------
    large, small
        Instances of each kind.
    small_to_slow
        Small instances that a receiver gets which takes less than 300 in a second.
    rounds, slow_rounds, small_rounds
        Rounds of large instances, those of slow receivers among them, and rounds of small instances.
    seconds
        No round is begun after these, but the first of each kind.
    """

    large: int = 300
    small: int = 3000
    small_to_slow: int = 1000
    rounds: int = 5
    slow_rounds: int = 3
    small_rounds: int = 3
    seconds: float = 420.0  # what is begun then, the memory and tidying up take two minutes more at most


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
        for receiver, batch, associations, number in _runs(receivers, large, small, few, plan, deadline):
            row = measure(receiver, batch, associations, number, stamps)
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


def _runs(
    receivers: list[Receiver], large: Batch, small: Batch, few: Batch, plan: Plan, deadline: float
) -> Iterator[tuple[Receiver, Batch, int, int]]:
    """
    Give the runs in their order, every receiver in turn; a round is left out when there is no time for it.

    One start of a receiver differs from the next by more than its rounds do: the fast ones are started anew for each.
    """
    yield from ((receiver, large, _WARMING, WARM_UP) for receiver in receivers)
    for number in range(1, max(plan.rounds, plan.small_rounds) + 1):
        if number > 1:
            if monotonic() > deadline:
                return
            yield from _started_anew(receivers, large)
        of_large = [r for r in receivers if number <= (plan.slow_rounds if r.name in _SLOW else plan.rounds)]
        yield from ((receiver, large, n, number) for n in ASSOCIATIONS for receiver in of_large)
        of_small = [r for r in receivers if r.name in _OF_SMALL] if number <= plan.small_rounds else []
        for n in ASSOCIATIONS:
            yield from ((receiver, few if receiver.name in _SLOW else small, n, number) for receiver in of_small)


def _started_anew(receivers: list[Receiver], large: Batch) -> Iterator[tuple[Receiver, Batch, int, int]]:
    for receiver in receivers:
        if receiver.name not in _SLOW:
            receiver.stop()
            receiver.start()
            yield receiver, large, _WARMING, WARM_UP


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
