"""`voorrang model select`: which series of a folder a pathway takes, and why not the others."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from voorrang.errors import ConfigurationError
from voorrang.pathways.loading import load_pathways
from voorrang.settings import load_settings


def add_parser(verbs: Any) -> None:
    """Add this verb."""
    parser = verbs.add_parser("select", help="which series of a folder a pathway takes, and why not the others")
    parser.add_argument("pathway", help="stroke, lung-nodule, or one of your own")
    parser.add_argument("folder", type=Path, help="one study; searched with all within it")
    parser.add_argument("--json", action="store_true", help="one JSON line per series and nothing else")
    parser.set_defaults(run=select)


def select(arguments: argparse.Namespace) -> int:
    """Print one line per series; exit 0 when it ran, whatever is taken."""
    from inference.selection import select_series
    from inference.series_files import find_series

    pathways = load_pathways(load_settings().pathways_dir)
    if arguments.pathway not in pathways:
        sys.stderr.write(f"voorrang: no pathway {arguments.pathway}; there are {', '.join(sorted(pathways))}\n")
        return 2
    if not arguments.folder.is_dir():
        raise ConfigurationError(f"{arguments.folder} is not a folder")
    study = {series.series_instance_uid: series.headers for series in find_series(arguments.folder)}
    for verdict in select_series(study, pathways[arguments.pathway].wants):
        line = {
            "series_instance_uid": verdict.series_instance_uid,
            "taken": verdict.is_taken,
            "reasons": [{"code": reason.code.value, "text": reason.text} for reason in verdict.reasons],
        }
        sys.stdout.write((json.dumps(line) if arguments.json else _in_words(line)) + "\n")
    return 0


def _in_words(line: dict[str, Any]) -> str:
    reasons = "; ".join(f"{reason['code']}: {reason['text']}" for reason in line["reasons"])
    return f"{line['series_instance_uid']}  {'taken' if line['taken'] else reasons}"
