"""`voorrang demo`: the main job in two minutes, on a stack of its own."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event as Flag
from typing import TYPE_CHECKING, Any

from voorrang.errors import ConfigurationError

if TYPE_CHECKING:
    from voorrang.demo.running import DemoReport, Programme


def add_parser(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser("demo", help="send studies through a scratch stack and watch the list reorder itself")
    parser.add_argument("--json", action="store_true", help="no page; ends by itself and prints one JSON object")
    parser.add_argument("--data", type=Path, metavar="DIR", help="send the DICOM of this folder, with all within it")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; with a person at the terminal the page stays until Ctrl-C."""
    from voorrang.demo.pathways import write_pathways
    from voorrang.demo.running import MODELS, activate_models, run_demo
    from voorrang.demo.scratch import ScratchStack
    from voorrang.demo.sending import SendError

    def say(line: str) -> None:
        """Write a line at once: to stderr when stdout is for the JSON object."""
        (sys.stderr if arguments.json else sys.stdout).write(line + "\n")
        (sys.stderr if arguments.json else sys.stdout).flush()

    say("voorrang demo. Research and validation software: not CE-marked, not for clinical use.")
    programme, names = _programme(arguments.data)
    count = len(programme.studies) + len(programme.without_pathway)
    say(f"starting broker, ingest, inference, worklist, monitoring ({count} studies to send)")
    try:
        with (
            TemporaryDirectory(prefix="voorrang-demo-") as made,
            ScratchStack({"pathways_dir": str(write_pathways(Path(made)))}) as stack,
        ):
            activate_models(stack, MODELS)
            say(f"the reading list: {stack.address}/")
            report = run_demo(stack, programme, say)
            if arguments.json:
                sys.stdout.write(json.dumps(report.to_json()) + "\n")
            else:
                _print_orders(report, names)
                if sys.stdin.isatty() and sys.stdout.isatty():
                    say(f"the list stays at {stack.address}/ until Ctrl-C")
                    Flag().wait()
    except SendError as error:
        raise ConfigurationError(str(error)) from error
    return 0


def _programme(folder: Path | None) -> tuple[Programme, dict[str, str]]:
    """Return what is sent, and a short name of each study by UID."""
    from voorrang.demo.ordering import orders_of
    from voorrang.demo.running import Programme
    from voorrang.demo.sending import outgoing_folder, outgoing_study
    from voorrang.demo.studies import demo_studies, study_without_pathway

    if folder is None:
        now = datetime.now(UTC).astimezone()
        made, other = list(demo_studies(now)), study_without_pathway(now)
        names = {str(study.instances[0].StudyInstanceUID): study.name for study in (*made, other)}
        urgent = frozenset(str(study.instances[0].StudyInstanceUID) for study in made if study.is_urgent)
        studies = [outgoing_study(study.instances) for study in made]
        orders = orders_of([*made, other])
        return Programme(studies, urgent, orders, [outgoing_study(other.instances)]), names
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder")
    found = outgoing_folder(folder)
    if not found:
        raise ConfigurationError(f"no DICOM in {folder}")
    return Programme(found), {study.study_instance_uid: f"study {n}" for n, study in enumerate(found, start=1)}


def _print_orders(report: DemoReport, names: dict[str, str]) -> None:
    ranked = {row["study_instance_uid"]: row for row in (*report.rows, *report.exams_without_pathway) if row["rank"]}
    by_arrival = sorted(ranked.values(), key=lambda row: row["rank_fifo"])
    left = [uid for uid in report.order_at_the_end if uid in ranked]
    now = [(f"{rank:>2}", uid, ranked[uid]["reason"]) for rank, uid in enumerate(left, start=1)]
    gone = [(" -", uid, "reported, and off the list since") for uid in ranked.keys() - set(left)]
    lines = ["", f"{'the order without AI':<26}{'the order now':<26}why"]
    for old, (rank, uid, reason) in zip(by_arrival, now + gone, strict=True):
        came = names.get(old["study_instance_uid"], "")
        lines.append(f"{old['rank_fifo']:>2} {came:<23}{rank} {names.get(uid, ''):<23}{reason}")
    for order in report.orders:
        name = names.get(order["study_instance_uid"], "")
        lines.append(f"order of {name}: {order['urgency']}, acknowledged {order['acknowledged']}, came {order['rank']}")
    lines += ["", *report.in_minutes.lines()]
    timed = [row for row in report.rows if row["seconds_last_slice_to_ranked"] is not None]
    if timed:
        lines.append("")
    for pathway in sorted({row["pathway"] for row in timed}):
        seconds = [row["seconds_last_slice_to_completed"] for row in timed if row["pathway"] == pathway]
        lines.append(f"last slice to the start of a model, {pathway}: {min(seconds):.1f} to {max(seconds):.1f} s")
    if timed:
        seconds = [row["seconds_last_slice_to_ranked"] for row in timed]
        lines.append(f"last slice to visible priority: {min(seconds):.1f} to {max(seconds):.1f} s")
    lines.append(f"{report.accepted_instances} images accepted, {report.accounted_instances} accounted for")
    sys.stdout.write("\n".join(lines) + "\n")
