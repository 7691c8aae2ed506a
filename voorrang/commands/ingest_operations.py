"""`voorrang ingest force-complete|reprocess|resend|suppress|hold|release`: what operators do to a study or a series."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from voorrang.settings import load_settings

if TYPE_CHECKING:
    from voorrang.register import Actor

_VERBS = {
    "force-complete": "go on with the images that are there",
    "reprocess": "ask the models once more; a suppressed study is so no longer",
    "resend": "publish a study's events again, for a consumer that lost them",
    "suppress": "announce a study to the models no more; the list keeps it",
    "hold": "keep a study from retention",
    "release": "leave a held study to retention again",
}


def add_verbs(verbs: Any) -> None:
    """Add these verbs to `voorrang ingest`."""
    for verb, text in _VERBS.items():
        parser = verbs.add_parser(verb, help=text)
        parser.add_argument(
            "asked", metavar="ACCESSION|UID", help="accession number, StudyInstanceUID or SeriesInstanceUID"
        )
        add_actor(parser)
        parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do the act and say what was done."""
    from ingest.desk import open_desk
    from ingest.operating import operate

    with open_desk(load_settings()) as desk:
        done = operate(desk, arguments.verb, arguments.asked, actor_of(arguments))
    sys.stdout.write("".join(f"{line}\n" for line in done))
    return 0


def add_actor(parser: argparse.ArgumentParser) -> None:
    """Add who does it, in which role and why: it goes into the operators' log and into an event."""
    parser.add_argument("--actor", required=True, help="who does it")
    parser.add_argument("--role", required=True, help="in which role")
    parser.add_argument("--reason", required=True, help="why; no patient's name, birth date or number")


def actor_of(arguments: argparse.Namespace) -> Actor:
    """Return who does it."""
    from voorrang.register import Actor

    return Actor(arguments.actor, arguments.role, arguments.reason)
