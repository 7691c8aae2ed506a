"""
Arrivals of the hospital's own, from CSV or NDJSON: times, and what is known beside them; nothing of a patient. Pure.

What a message says never quotes the file: a value in the wrong column may be a name.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NoReturn

from voorrang.errors import ConfigurationError
from worklist.queueing.exams import Arrival

COLUMNS = ("arrived_at", "pathway", "interrupting", "diseased", "flagged", "reading_minutes")
_YES_NO = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}

Row = tuple[int, Mapping[str, Any]]


def read_arrivals(lines: Iterable[str], *, is_csv: bool, pathways: Sequence[str]) -> list[Arrival]:
    """
    Return the arrivals of a file, in order of time.

    Parameters
    ----------
    lines
        Of the file, decoded.
    is_csv
        CSV with a header, its columns parted by commas or semicolons; else one JSON object a line.
    pathways
        Names that the column `pathway` may hold.

    Raises
    ------
    ConfigurationError
        Names the line and the column that cannot be used.
    """
    rows = _csv_rows(lines) if is_csv else _json_rows(lines)
    found = [(_time(number, row), _arrival(number, row, pathways)) for number, row in rows]
    zoned = {at.tzinfo is not None for at, _ in found}
    if len(zoned) > 1:
        raise ConfigurationError("some times of the file have a zone and some have none: give all of them one, or none")
    if len(found) < 2:
        raise ConfigurationError(f"the file holds {len(found)} arrivals: at least 2 are needed")
    found.sort(key=lambda pair: pair[0])
    first = found[0][0]
    if found[-1][0] == first:
        raise ConfigurationError("all arrivals of the file have one time: the traffic cannot be known")
    return [replace(arrival, minute=(at - first).total_seconds() / 60.0) for at, arrival in found]


def per_minute(arrivals: Sequence[Arrival]) -> float:
    """Return how many arrive a minute: n arrivals, in order of time, have n-1 gaps between them."""
    return (len(arrivals) - 1) / (arrivals[-1].minute - arrivals[0].minute)


def offered_per_reader(arrivals: Sequence[Arrival], mean_minutes: float, readers: int) -> float:
    """
    Return the work that a file offers, per reader: as `traffic`, but of these arrivals.

    Parameters
    ----------
    arrivals
        In order of time.
    mean_minutes
        Mean reading time where the file tells none.
    readers
        How many.
    """
    told = [mean_minutes if arrival.reading_minutes is None else arrival.reading_minutes for arrival in arrivals]
    return math.fsum(told) / len(told) * per_minute(arrivals) / readers


def _csv_rows(lines: Iterable[str]) -> Iterator[Row]:
    iterator = iter(lines)
    header = next(iterator, "").removeprefix("\ufeff")
    separator = ";" if ";" in header else ","
    names = [name.strip() for name in next(csv.reader([header], delimiter=separator), [])]
    for place, name in enumerate(names, 1):
        if name not in COLUMNS:
            _refuse(1, f"column {place} is not one of {', '.join(COLUMNS)}, and nothing of a patient belongs here")
    reader = csv.reader(iterator, delimiter=separator)
    for cells in reader:
        if any(cells):
            if len(cells) != len(names):
                _refuse(reader.line_num + 1, f"{len(cells)} columns where the header has {len(names)}")
            yield reader.line_num + 1, dict(zip(names, (cell.strip() for cell in cells), strict=True))


def _json_rows(lines: Iterable[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            _refuse(number, "not a JSON object")
        if not set(row) <= set(COLUMNS):
            _refuse(number, f"only {', '.join(COLUMNS)} are known, and nothing of a patient belongs here")
        yield number, row


def _time(number: int, row: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromisoformat(row["arrived_at"])
    except (KeyError, TypeError, ValueError):
        _refuse(number, "arrived_at is not a time such as 2026-11-02T08:15:00+01:00")


def _arrival(number: int, row: Mapping[str, Any], pathways: Sequence[str]) -> Arrival:
    pathway = row.get("pathway")
    if pathway not in (None, "", *pathways):
        _refuse(number, f"pathway is not one of {', '.join(pathways)}")
    return Arrival(
        minute=0.0,
        pathway=pathways.index(pathway) if pathway else None,
        interrupting=_yes_or_no(number, row, "interrupting"),
        diseased=_yes_or_no(number, row, "diseased"),
        flagged=_yes_or_no(number, row, "flagged"),
        reading_minutes=_minutes(number, row),
    )


def _yes_or_no(number: int, row: Mapping[str, Any], column: str) -> bool | None:
    value = row.get(column)
    if value is None or value == "":
        return None
    told = _YES_NO.get(str(value).lower())
    if told is None:
        _refuse(number, f"{column} is not 0 or 1")
    return told


def _minutes(number: int, row: Mapping[str, Any]) -> float | None:
    value = row.get("reading_minutes")
    if value is None or value == "":
        return None
    try:
        minutes = float(str(value).replace(",", "."))
    except ValueError:
        minutes = math.nan
    if not 0 < minutes < math.inf:
        _refuse(number, "reading_minutes is not a number above 0")
    return minutes


def _refuse(number: int, why: str) -> NoReturn:
    raise ConfigurationError(f"line {number} of the arrivals: {why}")
