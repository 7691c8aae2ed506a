"""The proof of minutes of a period, whole: figures, what they rest on, and every exam."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from threading import Lock
from zoneinfo import ZoneInfo

from voorrang.clock import Clock, utc
from voorrang.database import Connection, Database
from voorrang.events.reading_records import HowOpened
from voorrang.statement import RESEARCH
from worklist import item_store
from worklist.minutes import history, loading
from worklist.minutes.comparing import Compared, compare
from worklist.minutes.figures import BeforeFirstOpen, Cost, Figure, before_first_open, costs, figures, share_of
from worklist.minutes.intervals import METHOD, SHARE_METHOD, Interval
from worklist.minutes.loading import Exams
from worklist.reading import log

USUAL_DAYS = 28


@dataclass(frozen=True, slots=True)
class Followed:
    """How many openings took what stood first of all that was free, and how many were by `next`."""

    openings: int
    followed: int
    by_next: int
    share_followed: Interval | None


@dataclass(frozen=True, slots=True)
class ExamRow:
    """One exam that was read; places count the openings from two days before the period until now."""

    item_key: str
    pathways: tuple[str, ...]
    flagged: bool
    arrived_at: datetime
    opened_at: datetime
    place: int
    opened_at_without_ai: datetime
    place_without_ai: int
    opened_at_with_answers_at_once: datetime
    minutes_saved: float
    how: HowOpened
    followed: bool


@dataclass(frozen=True, slots=True)
class Report:
    """
    Minutes that the order of the list saved and cost in a period.

    `positives_confirmed` of `positives_reported` flagged exams that are reported were found right by their reader.
    """

    statement: str
    since: datetime
    until: datetime
    time_zone: str
    exams: Exams
    compared: int
    adherence: Followed
    positives_reported: int
    positives_confirmed: int
    figures: tuple[Figure, ...]
    stat_before_first_open: tuple[BeforeFirstOpen, ...]
    costs: tuple[Cost, ...]
    interval_method: str
    share_method: str
    items: tuple[ExamRow, ...]


@dataclass(slots=True)
class Minutes:
    """
    Makes reports; one at a time, and the last one again while nothing has changed.

    Parameters
    ----------
    database, clock
        What it reads.
    zone
        Of the site: its days and weeks.
    """

    database: Database
    clock: Clock
    zone: ZoneInfo
    _lock: Lock = field(default_factory=Lock)
    _last: tuple[tuple[datetime, datetime | None, int], Report] | None = None

    def report(self, since: datetime | None = None, until: datetime | None = None, days: int = USUAL_DAYS) -> Report:
        """
        Return the report of the exams that came in a period.

        Parameters
        ----------
        since
            Its beginning; without, midnight at the site, so many `days` before its end.
        until
            Its end; without, now.
        days
            How many.
        """
        now = self.clock.now()
        end = utc(until or now)
        begin = utc(since or self._midnight_before(end, days))
        with self._lock, self.database.read() as connection:
            key = (begin, until, item_store.list_version(connection) + log.revision(connection))
            if self._last is None or self._last[0] != key:
                self._last = (key, make_report(connection, begin, end, now, self.zone))
            return self._last[1]

    def _midnight_before(self, end: datetime, days: int) -> datetime:
        return datetime.combine(end.astimezone(self.zone).date() - timedelta(days=days), time(), self.zone)


def make_report(connection: Connection, since: datetime, until: datetime, now: datetime, zone: ZoneInfo) -> Report:
    """Return the report of the exams that came in a period, read until now, from what is stored."""
    readings, reported = loading.load_readings(connection, since, now)
    exams = history.exams(connection, [one.item_key for one in readings.openings])
    mine = [one for one in compare(exams, readings) if since <= one.exam.arrived_at < until]
    flagged = [one.exam.item_key for one in mine if one.exam.flagged_by(None) and one.exam.item_key in reported]
    right = loading.confirmed(connection, flagged)
    found = figures(mine, right, zone)
    return Report(
        statement=RESEARCH,
        since=since,
        until=until,
        time_zone=zone.key,
        exams=loading.count_exams(connection, since, until),
        compared=len(mine),
        adherence=_followed(mine, zone),
        positives_reported=len(flagged),
        positives_confirmed=len({key for key, _ in right}),
        figures=tuple(found),
        stat_before_first_open=tuple(before_first_open(mine, zone)),
        costs=tuple(costs(loading.load_costs(connection, since, until), found)),
        interval_method=METHOD,
        share_method=SHARE_METHOD,
        items=tuple(_row(one) for one in mine),
    )


def _followed(mine: list[Compared], zone: ZoneInfo) -> Followed:
    first = [one for one in mine if one.followed]
    return Followed(len(mine), len(first), sum(one.how == "next" for one in mine), share_of(mine, first, zone))


def _row(one: Compared) -> ExamRow:
    return ExamRow(
        one.exam.item_key,
        tuple(sorted(one.exam.pathways)),
        one.exam.flagged_by(None),
        one.exam.arrived_at,
        one.opened_at,
        one.place,
        one.without_ai_at,
        one.place_without_ai,
        one.at_once_at,
        one.minutes_saved,
        one.how,
        one.followed,
    )
