"""`voorrang bench NAME`: how fast we are beside named peers, measured here, in one run."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voorrang.bench.report import Report


def add_parser(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser("bench", help="measure beside other programs, on this machine")
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    ingest = _add(names, "ingest", "receiving, beside dcmtk, Orthanc and pynetdicom (about 8 minutes)")
    ingest.add_argument("--large", type=_count, default=300, metavar="N", help="slices of 512x512 (%(default)s)")
    ingest.add_argument("--small", type=_count, default=3000, metavar="N", help="slices of 64x64 (%(default)s)")
    ingest.add_argument("--rounds", type=_rounds, default=9, metavar="N", help="at most (%(default)s); 0 warms up only")
    ingest.set_defaults(run=run_ingest)
    crowd = _add(names, "ingest-crowd", "one large study while 24 others send (about 7 minutes)")
    crowd.add_argument("--seconds", type=_count, default=60, metavar="N", help="of each crowd at most (%(default)s)")
    crowd.set_defaults(run=run_ingest_crowd)
    inference = _add(names, "inference", "reading and computing, beside pydicom and highdicom (about 2 minutes)")
    inference.set_defaults(run=run_inference)
    worklist = _add(names, "worklist", "10,000 open items, on SQLite and PostgreSQL (about 2 minutes)")
    worklist.set_defaults(run=run_worklist)
    pipeline = _add(names, "pipeline", "studies through every service, beside a bare Kafka loop (about 6 minutes)")
    pipeline.add_argument("--studies", type=_count, default=200, metavar="N", help="of each part (%(default)s)")
    pipeline.set_defaults(run=run_pipeline)


def run_ingest(arguments: argparse.Namespace) -> int:
    """Run the bench of ingest; what it finds does not change the exit code."""
    from voorrang.bench.ingest import run_ingest_bench
    from voorrang.bench.own_network import enter_own_network
    from voorrang.bench.rounds import Plan

    has_own_network = enter_own_network()
    usual = Plan()
    plan = Plan(
        large=arguments.large,
        small=arguments.small,
        rounds=arguments.rounds,
        slow_rounds=min(arguments.rounds, usual.slow_rounds),
        small_rounds=min(arguments.rounds, usual.small_rounds),
    )
    with tempfile.TemporaryDirectory(prefix="voorrang-bench-", dir=arguments.scratch or _disk()) as folder:
        report = run_ingest_bench(Path(folder), plan, _say, has_own_network=has_own_network)
    _print(report, as_json=arguments.json)
    return 0


def run_ingest_crowd(arguments: argparse.Namespace) -> int:
    """Run the bench of many senders at once."""
    from voorrang.bench.crowd import CrowdPlan, run_crowd_bench
    from voorrang.bench.own_network import enter_own_network

    has_own_network = enter_own_network()
    with tempfile.TemporaryDirectory(prefix="voorrang-bench-", dir=arguments.scratch or _disk()) as folder:
        report = run_crowd_bench(
            Path(folder), CrowdPlan(seconds=arguments.seconds), _say, has_own_network=has_own_network
        )
    _print(report, as_json=arguments.json)
    return 0


def run_inference(arguments: argparse.Namespace) -> int:
    """Run the bench of inference."""
    from voorrang.bench.inference import run_inference_bench
    from voorrang.logs import configure_logging

    configure_logging("bench", "WARNING")  # to stderr: stdout is for the report
    with tempfile.TemporaryDirectory(prefix="voorrang-bench-", dir=arguments.scratch or _disk()) as folder:
        report = run_inference_bench(Path(folder), _say)
    _print(report, as_json=arguments.json)
    return 0


def run_worklist(arguments: argparse.Namespace) -> int:
    """Run the bench of the worklist."""
    from voorrang.bench.worklist import run_worklist_bench

    with tempfile.TemporaryDirectory(prefix="voorrang-bench-", dir=arguments.scratch or _disk()) as folder:
        report = run_worklist_bench(Path(folder), _say)
    _print(report, as_json=arguments.json)
    return 0


def run_pipeline(arguments: argparse.Namespace) -> int:
    """Run the bench of the whole stack."""
    from voorrang.bench.pipeline import Plan, run_pipeline_bench

    with tempfile.TemporaryDirectory(prefix="voorrang-bench-", dir=arguments.scratch or _disk()) as folder:
        report = run_pipeline_bench(Path(folder), Plan(studies=arguments.studies), _say)
    _print(report, as_json=arguments.json)
    return 0


def _add(names: Any, name: str, help_text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = names.add_parser(name, help=help_text)
    parser.add_argument("--json", action="store_true", help="one JSON object: figures, rows, machine")
    parser.add_argument(
        "--scratch",
        type=Path,
        metavar="DIR",
        help="measure the disk of this folder (the usual place for scratch files)",
    )
    return parser


def _disk() -> Path:
    """Return where scratch files go: not into memory, where a sync costs nothing, as long as there is a choice."""
    from voorrang.bench.machine import filesystem_of

    places = [Path(tempfile.gettempdir()), Path.cwd()]
    return next((place for place in places if filesystem_of(place) != "tmpfs"), places[0])


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(asdict(report)) + "\n")
        return
    width = max(map(len, report.figures), default=0)
    lines = [f"{name:<{width}}  {value:>10g}" for name, value in report.figures.items()]
    lines += ["", *_table(report.rows), "", *(f"{name}: {value}" for name, value in report.machine.items())]
    sys.stdout.write("\n".join(lines) + "\n")


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    rows = [row for row in rows if row.keys() == rows[0].keys()]  # the others are in the JSON
    columns = [name for name, value in rows[0].items() if isinstance(value, (str, int, float, bool))]
    cells = [columns, *([str(row[name]) for name in columns] for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]


def _count(text: str) -> int:
    return _at_least(1, text)


def _rounds(text: str) -> int:
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    number = int(text)
    if number < least:
        raise argparse.ArgumentTypeError(f"{text} is not {least} or more")
    return number
