"""`voorrang minutes`: what the order of the list saved, what it cost the others."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from voorrang.commands.showing import printable, site_time
from voorrang.settings import load_settings


def add_parser(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser("minutes", help="minutes of waiting that AI saved, and what it cost the others")
    parser.add_argument(
        "--since",
        type=_day,
        metavar="DATE",
        help="of exams that came since then (2026-11-01; 28 days before the end)",
    )
    parser.add_argument("--until", type=_day, metavar="DATE", help="and until the end of that day (until now)")
    parser.add_argument("--json", action="store_true", help="one JSON object, with every exam")
    parser.set_defaults(run=run, usage_error=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Print the report."""
    from voorrang.clock import SystemClock
    from voorrang.database import Database
    from voorrang.migrating import require_current
    from worklist.minutes.report import Minutes
    from worklist.minutes.wording import lines

    settings, clock = load_settings(), SystemClock()
    zone = ZoneInfo(settings.time_zone)
    since = _midnight(arguments.since, zone)
    until = _midnight(arguments.until and arguments.until + timedelta(days=1), zone)
    if since is not None and since >= (until or clock.now()):
        arguments.usage_error(f"--since {arguments.since} is after the end of the period")
    database = Database(settings.url())
    try:
        require_current(database)
        report = Minutes(database, clock, zone).report(since, until)
    finally:
        database.close()
    if arguments.json:
        sys.stdout.write(json.dumps(asdict(report), default=datetime.isoformat) + "\n")
    else:
        text = lines(report, lambda at: site_time(at, zone))
        sys.stdout.write("\n".join(printable(line) for line in text) + "\n")
    return 0


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not a date such as 2026-11-01") from error
    if not 1900 <= day.year <= 2999:  # far from both ends of what a date can be, as time zones and days are added
        raise argparse.ArgumentTypeError(f"{text} is not a day of these centuries")
    return day


def _midnight(day: date | None, zone: ZoneInfo) -> datetime | None:
    return datetime.combine(day, time(), zone) if day is not None else None
