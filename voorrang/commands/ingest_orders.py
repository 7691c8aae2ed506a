"""`voorrang ingest orders`, `orders-waiting`, `messages list|replay|discard`: orders and reports at a terminal."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from voorrang.commands.ingest_operations import actor_of, add_actor
from voorrang.commands.showing import printable, site_time
from voorrang.logs import configure_logging
from voorrang.settings import load_settings


def add_verbs(verbs: Any) -> None:
    """Add these verbs to `voorrang ingest`."""
    orders = verbs.add_parser("orders", help="take orders and reports from NDJSON: a folder, a file, or stdin")
    orders.add_argument("path", nargs="?", default="-", help="folder of .ndjson files, file, or - for stdin (default)")
    orders.set_defaults(run=take_lines)
    waits = verbs.add_parser("orders-waiting", help="orders, reports and studies that match nothing yet")
    waits.add_argument("--json", action="store_true", help="one JSON line each")
    waits.set_defaults(run=list_waiting)
    messages = verbs.add_parser("messages", help="messages of orders and reports that were refused")
    acts = messages.add_subparsers(dest="act", required=True, metavar="ACT")
    listing = acts.add_parser("list", help="what waits for a person, oldest first")
    listing.add_argument("--json", action="store_true", help="one JSON line each")
    listing.set_defaults(run=list_messages)
    replay = acts.add_parser("replay", help="take one again, as it came")
    discard = acts.add_parser("discard", help="throw one away for good")
    for parser, run in ((replay, replay_one), (discard, discard_one)):
        parser.add_argument("id", type=int)
        add_actor(parser)
        parser.set_defaults(run=run)


def take_lines(arguments: argparse.Namespace) -> int:
    """Take every line; print what became of them; exit 1 when one was refused."""
    from ingest.announcing import DeskAnnouncer
    from ingest.desk import open_desk
    from ingest.orders.acknowledging import AckCode
    from ingest.orders.lines import lines, lines_of, take_line

    settings = load_settings()
    configure_logging("ingest", settings.log_level)
    came = lines(sys.stdin.buffer) if arguments.path == "-" else lines_of(Path(arguments.path))
    outcomes: Counter[str] = Counter()
    failed = 0
    with open_desk(settings) as desk:
        for number, line in enumerate(came, 1):
            answer = take_line(DeskAnnouncer(desk), line)
            outcomes[answer.outcome.value] += 1
            if answer.code is not AckCode.ACCEPT:
                failed += 1
                sys.stderr.write(f"line {number}: {printable(answer.text)}\n")
    sys.stdout.write(json.dumps(dict(sorted(outcomes.items()))) + "\n")
    return 1 if failed else 0


def list_waiting(arguments: argparse.Namespace) -> int:
    """List what matches nothing yet."""
    from ingest.desk import open_desk
    from ingest.orders.waiting import waiting

    settings = load_settings()
    zone = ZoneInfo(settings.time_zone)
    with open_desk(settings) as desk, desk.database.read() as connection:
        found = waiting(connection, settings.purpose.value)
    if arguments.json:
        for one in found:
            values = {"reason": one.reason.value, "key": one.key, "since": one.since.isoformat()}
            sys.stdout.write(json.dumps(values) + "\n")
        return 0
    for one in found:
        words = one.reason.value.replace("_", " ")
        sys.stdout.write(f"{site_time(one.since, zone)}  {words:36}  {one.key}\n")
    if not found:
        sys.stdout.write("nothing waits\n")
    return 0


def list_messages(arguments: argparse.Namespace) -> int:
    """List the messages that wait for a person."""
    from ingest.desk import open_desk
    from ingest.orders.quarantine import refused
    from ingest.orders.refusing import WORDS, RefusalReason

    settings = load_settings()
    zone = ZoneInfo(settings.time_zone)
    with open_desk(settings) as desk:
        found = refused(desk)
    for one in found:
        why = WORDS[RefusalReason(one.reason)]
        if arguments.json:
            values = {"id": one.id, "at": one.received_at.isoformat(), "sender": printable(one.sender)}
            values |= {"control_id": printable(one.control_id), "kind": one.kind, "reason": one.reason, "why": why}
            sys.stdout.write(json.dumps(values) + "\n")
        else:
            sender, at = printable(one.sender), site_time(one.received_at, zone)
            sys.stdout.write(f"{one.id:6}  {at}  {one.kind:8}  {sender:16}  {why}\n")
    if not found and not arguments.json:
        sys.stdout.write("no message waits\n")
    return 0


def replay_one(arguments: argparse.Namespace) -> int:
    """Take one again; exit 1 when it was refused again."""
    from ingest.desk import open_desk
    from ingest.orders.quarantine import replay

    settings = load_settings()
    configure_logging("ingest", settings.log_level)
    with open_desk(settings) as desk:
        is_taken, words = replay(desk, arguments.id, actor_of(arguments))
    sys.stdout.write(f"{printable(words)}\n")
    return 0 if is_taken else 1


def discard_one(arguments: argparse.Namespace) -> int:
    """Throw one away."""
    from ingest.desk import open_desk
    from ingest.orders.quarantine import discard

    with open_desk(load_settings()) as desk:
        sys.stdout.write(discard(desk, arguments.id, actor_of(arguments)) + "\n")
    return 0
