"""`voorrang where`: one study's timeline, and what it waits for."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from voorrang.commands.showing import printable, site_time
from voorrang.errors import ConfigurationError
from voorrang.settings import Settings, load_settings
from voorrang.timeline import Moment

if TYPE_CHECKING:
    from voorrang.database import Connection
    from voorrang.pathways.pathway import Pathway


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What is known of one study, or of an order that has none yet: `study_instance_uid` is empty then."""

    study_instance_uid: str
    moments: tuple[Moment, ...]
    waits_for: str


def add_parser(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser("where", help="one study's timeline, and what it waits for")
    parser.add_argument("asked", metavar="ACCESSION|UID", help="accession number, or UID of study, series or instance")
    parser.add_argument("--json", action="store_true", help="one JSON line per study")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the timeline of each study that is meant."""
    from voorrang.clock import SystemClock
    from voorrang.database import Database
    from voorrang.migrating import require_current
    from voorrang.pathways.loading import load_pathways

    settings = load_settings()
    zone = ZoneInfo(settings.time_zone)
    pathways = load_pathways(settings.pathways_dir)
    database = Database(settings.url())
    try:
        require_current(database)
        with database.read() as connection:
            found = find(connection, arguments.asked, settings, pathways, SystemClock().now())
    finally:
        database.close()
    for one in found:
        sys.stdout.write(_as_json(one) if arguments.json else _as_text(one, zone))
    return 0


def find(
    connection: Connection, asked: str, settings: Settings, pathways: Mapping[str, Pathway], now: datetime
) -> list[Whereabouts]:
    """
    Return what every service tells of each study that is meant.

    Raises
    ------
    ConfigurationError
        When nothing is known under that number or UID.
    """
    from ingest.looking_up import study_of_instance, targets

    uids = [target.study_instance_uid for target in targets(connection, asked)]
    if not uids and (of_instance := study_of_instance(connection, asked)):
        uids = [of_instance]
    if not uids and (orders := _orders_without_images(connection, asked)):
        return orders
    if not uids:
        raise ConfigurationError(
            f"nothing is known of {asked}: it was never received here, or was refused "
            "(`voorrang ingest quarantine list`)"
        )
    return [_whereabouts(connection, uid, settings, pathways, now) for uid in uids]


def _orders_without_images(connection: Connection, accession_number: str) -> list[Whereabouts]:
    from ingest.orders.timeline import order_moments, order_waits
    from voorrang.identity import orders_of_accession

    return [
        Whereabouts("", tuple(order_moments(connection, key)), order_waits(connection, key))
        for key in orders_of_accession(connection, accession_number.strip())
    ]


def _whereabouts(
    connection: Connection, uid: str, settings: Settings, pathways: Mapping[str, Pathway], now: datetime
) -> Whereabouts:
    import inference.timeline
    import ingest.looking_up
    import ingest.store
    import ingest.timeline
    import ingest.waiting
    import worklist.timeline

    moments = [
        *ingest.timeline.timeline(connection, uid),
        *inference.timeline.timeline(connection, ingest.looking_up.series_of(connection, uid)),
        *worklist.timeline.timeline(connection, uid),
    ]
    purpose = ingest.store.study_row(connection, uid).purpose
    waits = ingest.waiting.waits(connection, uid, pathways, settings.senders, now)
    if not waits and purpose is not settings.purpose:
        waits = [f"nothing: received for purpose {purpose.value}, which this stack's list does not show"]
    waits = waits or worklist.timeline.waits(connection, uid)
    return Whereabouts(uid, tuple(sorted(moments, key=lambda moment: moment.at)), "; ".join(waits))


def _as_json(found: Whereabouts) -> str:
    values = {
        "study_instance_uid": found.study_instance_uid,
        "moments": [{"at": m.at.isoformat(), "what": m.what, "detail": m.detail} for m in found.moments],
        "waits_for": found.waits_for,
    }
    return json.dumps(values) + "\n"


def _as_text(found: Whereabouts, zone: ZoneInfo) -> str:
    what = f"study {found.study_instance_uid}" if found.study_instance_uid else "an order without images"
    lines = [f"{what} (times: {zone.key})"]
    width = max(len(moment.what) for moment in found.moments)
    lines += [f"{site_time(m.at, zone)}  {m.what:{width}}  {printable(m.detail)}" for m in found.moments]
    return "\n".join([*lines, f"waits for: {found.waits_for}", ""])
