"""`voorrang minutes`: what the order of the list saved, what it cost the others."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from voorrang.commands.showing import printable, site_time, site_zone
from voorrang.errors import ConfigurationError
from voorrang.settings import load_settings


def add_parser(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser("minutes", help="minutes of waiting that AI saved, and what it cost the others")
    parser.add_argument("--since", metavar="DATE", help="of exams that came since then (2026-11-01; 28 days ago)")
    parser.add_argument("--until", metavar="DATE", help="and until the end of that day (today)")
    parser.add_argument("--json", action="store_true", help="one JSON object, with every exam")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the report."""
    from voorrang.clock import SystemClock
    from voorrang.database import Database
    from voorrang.migrating import require_current
    from worklist.minutes.report import Minutes
    from worklist.minutes.wording import lines

    settings = load_settings()
    zone = site_zone(settings.time_zone)
    since, until = _midnight(arguments.since, zone), _midnight(arguments.until, zone, later=1)
    database = Database(settings.url())
    try:
        require_current(database)
        report = Minutes(database, SystemClock(), zone, zone.key).report(since, until)
    finally:
        database.close()
    if arguments.json:
        sys.stdout.write(json.dumps(asdict(report), default=datetime.isoformat) + "\n")
    else:
        text = lines(report, lambda at: site_time(at, zone))
        sys.stdout.write("\n".join(printable(line) for line in text) + "\n")
    return 0


def _midnight(text: str | None, zone: ZoneInfo, later: int = 0) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.combine(date.fromisoformat(text) + timedelta(days=later), time(), zone)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(f"{text} is not a date such as 2026-11-01") from error
