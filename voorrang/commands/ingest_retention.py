"""`voorrang ingest retention`: what would be deleted from the archive now, and why; or one full pass in one's name."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from voorrang.commands.ingest_operations import actor_of
from voorrang.commands.showing import site_time
from voorrang.settings import load_settings

if TYPE_CHECKING:
    from ingest.deleting import Deletion
    from ingest.retaining import RetentionWorker

MB = 1_000_000


def add_verbs(verbs: Any) -> None:
    """Add this verb of `voorrang ingest`."""
    parser = verbs.add_parser("retention", help="delete now what may go; with --dry-run, say what would")
    parser.add_argument("--dry-run", action="store_true", help="change nothing: say what would go, why, how many bytes")
    parser.add_argument("--json", action="store_true", help="one JSON object and nothing else")
    parser.add_argument("--actor", default="", help="who does it; not for --dry-run")
    parser.add_argument("--role", default="", help="in which role")
    parser.add_argument("--reason", default="", help="why; no patient's name, birth date or number")
    parser.set_defaults(run=run_retention, usage_error=parser.error)


def run_retention(arguments: argparse.Namespace) -> int:
    """Show what would go, or delete it."""
    from ingest.auditing import check_actor
    from ingest.desk import open_desk
    from ingest.retaining import retention_of

    by = actor_of(arguments)
    missing = [f"--{name}" for name in ("actor", "role", "reason") if not getattr(by, name).strip()]
    if missing and not arguments.dry_run:
        arguments.usage_error(f"deleting needs {', '.join(missing)}; --dry-run only says what would go")
    if not arguments.dry_run:
        check_actor(by)
    with open_desk(load_settings()) as desk:
        worker = retention_of(desk)
        before = worker.preview()
        deletions = before.deletions if arguments.dry_run else worker.full_pass(by)
        values = _values(worker, list(deletions), arguments.dry_run)
        values["spare_series"] = before.spare
        values["kept_series"] = {reason.value: count for reason, count in sorted(before.kept.items())}
        zone = desk.settings.time_zone
    sys.stdout.write((json.dumps(values) if arguments.json else _in_words(values, list(deletions), zone)) + "\n")
    return 0


def _values(worker: RetentionWorker, deletions: list[Deletion], is_dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": is_dry_run,
        "series_count": len(deletions),
        "instance_count": sum(deletion.size.instance_count for deletion in deletions),
        "size_bytes": sum(deletion.size.size_bytes for deletion in deletions),
        "series_by_reason": dict(Counter(deletion.candidate.why.value for deletion in deletions)),
        "disk_free_bytes": worker.free_bytes(),
        "disk_low_bytes": worker.desk.settings.low_bytes,
        "series": [
            {
                "series_instance_uid": deletion.candidate.series.series_instance_uid,
                "study_instance_uid": deletion.candidate.series.study_instance_uid,
                "last_received_at": deletion.candidate.series.last_received_at.isoformat(),
                "why": deletion.candidate.why.value,
                "instance_count": deletion.size.instance_count,
                "size_bytes": deletion.size.size_bytes,
            }
            for deletion in deletions
        ],
    }


def _in_words(values: dict[str, Any], deletions: list[Deletion], time_zone: str) -> str:
    zone = ZoneInfo(time_zone)
    lines = [
        f"{site_time(deletion.candidate.series.last_received_at, zone)}  {deletion.size.size_bytes / MB:8.1f} MB  "
        f"{deletion.candidate.why.value.replace('_', ' ')}  {deletion.candidate.series.series_instance_uid}"
        for deletion in deletions
    ]
    verb = "would go" if values["dry_run"] else "deleted"
    size = f"{values['instance_count']} instances, {values['size_bytes'] / MB:.1f} MB"
    lines.append(f"{values['series_count']} series {verb}: {size}")
    kept = [f"{reason.replace('_', ' ')} {count}" for reason, count in values["kept_series"].items()]
    if values["spare_series"]:
        kept.insert(0, f"answered, until the disk is low {values['spare_series']}")
    lines.append(f"series that stay: {', '.join(kept) or 'none'}")
    lines.append(
        f"disk: {values['disk_free_bytes'] / MB:.0f} MB free; low below {values['disk_low_bytes'] / MB:.0f} MB"
    )
    return "\n".join(lines)
