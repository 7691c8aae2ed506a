"""`voorrang ingest quarantine list|show|replay|discard`: what was refused, and what becomes of it."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from voorrang.commands.ingest_operations import actor_of, add_actor
from voorrang.commands.showing import printable, site_time
from voorrang.errors import ConfigurationError
from voorrang.settings import load_settings

if TYPE_CHECKING:
    from ingest.quarantine import Kept


def add_verbs(verbs: Any) -> None:
    """Add this verb to `voorrang ingest`."""
    parser = verbs.add_parser("quarantine", help="what was refused: list, show, replay, discard")
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    listing = acts.add_parser("list", help="what waits for a person, oldest first")
    listing.add_argument("--json", action="store_true", help="one JSON line each")
    listing.set_defaults(run=list_kept)
    show = acts.add_parser("show", help="why one was refused, what to do, and what it is; never whose")
    show.add_argument("id", type=int)
    show.add_argument("--json", action="store_true")
    show.set_defaults(run=show_one)
    replay = acts.add_parser("replay", help="send the kept bytes to our own listener again")
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("id", type=int, nargs="?")
    which.add_argument("--all", action="store_true", help="all that wait, one after the other")
    add_actor(replay)
    replay.set_defaults(run=replay_some)
    discard = acts.add_parser("discard", help="throw one away for good")
    discard.add_argument("id", type=int)
    add_actor(discard)
    discard.set_defaults(run=discard_one)


def list_kept(arguments: argparse.Namespace) -> int:
    """List what waits in quarantine."""
    from ingest.desk import open_desk
    from ingest.quarantine import kept

    settings = load_settings()
    zone = ZoneInfo(settings.time_zone)
    with open_desk(settings) as desk:
        found = kept(desk)
    if arguments.json:
        sys.stdout.write("".join(json.dumps(_values(one)) + "\n" for one in found))
        return 0
    rows = [("id", f"when ({zone.key})", "status", "sender", "size", "why")]
    for one in found:
        values = _values(one)
        size = "gone" if one.size_bytes is None else f"{one.size_bytes:,}"
        rows.append(
            (str(values["id"]), site_time(one.row.at, zone), values["status"], values["sender"], size, values["why"])
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows if found else [("nothing waits in quarantine",)]:
        sys.stdout.write(
            "  ".join([*(f"{cell:{w}}" for cell, w in zip(row, widths, strict=False)), *row[len(widths) :]])
        )
        sys.stdout.write("\n")
    return 0


def show_one(arguments: argparse.Namespace) -> int:
    """Show one refusal."""
    from ingest.desk import open_desk
    from ingest.quarantine import look_at
    from ingest.refusal_wording import refusal_words

    settings = load_settings()
    zone = ZoneInfo(settings.time_zone)
    with open_desk(settings) as desk:
        found, elements = look_at(desk, arguments.id)
    values = _values(found) | {
        "settled": found.row.settled,
        "what_to_do": refusal_words(found.row.reason).remedy,
        "elements": elements,
    }
    if arguments.json:
        sys.stdout.write(json.dumps(values) + "\n")
        return 0
    values |= {"at": site_time(found.row.at, zone), "elements": "" if elements else "none could be read"}
    for key, value in values.items():
        sys.stdout.write(f"{key.replace('_', ' ')}: {'-' if value in ('', None) and key != 'elements' else value}\n")
    for keyword, text in elements.items():
        sys.stdout.write(f"  {keyword}: {printable(text)}\n")
    return 0


def replay_some(arguments: argparse.Namespace) -> int:
    """Send one again, or all; exit 1 when one was not accepted."""
    from ingest.desk import open_desk
    from ingest.quarantine import replay, replayable

    by = actor_of(arguments)
    failed = 0
    with open_desk(load_settings()) as desk:
        ids = replayable(desk) if arguments.all else [arguments.id]
        if not ids:
            sys.stdout.write("nothing waits in quarantine\n")
        for refusal_id in ids:
            try:
                accepted, words = replay(desk, refusal_id, by)
            except ConfigurationError as error:
                if not arguments.all:
                    raise
                accepted, words = False, str(error)
            failed += not accepted
            sys.stdout.write(f"{words}\n")
            sys.stdout.flush()
    return 1 if failed else 0


def discard_one(arguments: argparse.Namespace) -> int:
    """Throw one away."""
    from ingest.desk import open_desk
    from ingest.quarantine import discard

    with open_desk(load_settings()) as desk:
        sys.stdout.write(discard(desk, arguments.id, actor_of(arguments)) + "\n")
    return 0


def _values(found: Kept) -> dict[str, Any]:
    from ingest.refusal_wording import refusal_words, status_words

    row = found.row
    return {
        "id": row.id,
        "at": row.at.isoformat(),
        "reason": row.reason,
        "why": refusal_words(row.reason).reason,
        "status": status_words(row.status) if row.status else "",
        "sender": printable(row.sender),
        "size_bytes": found.size_bytes,
    }
