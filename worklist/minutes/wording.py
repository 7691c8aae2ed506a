"""The proof of minutes in words, for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from worklist.minutes.figures import BeforeFirstOpen, Cost, Figure, Measure
from worklist.minutes.intervals import Interval
from worklist.minutes.report import Report

_WORDS = {
    Measure.SAVED_BY_POSITIVES: "saved, flagged exams",
    Measure.SAVED_BY_TRUE_POSITIVES: "  of these, found right",
    Measure.SAVED_BY_STAT: "saved, STAT exams",
    Measure.LOST_BY_REST: "lost, the others",
    Measure.LOST_TO_LATENCY: "lost to waiting for AI",
}
_TOO_FEW = "too few days for an interval"
LIMITS = (
    "Replayed from the same arrivals, readers and reading times. Exams read elsewhere, and those still unread, are not",
    "in it. Where a reader did not take what stood first, the same exam is taken in the other order: no minute is",
    "counted for that. An exam that took longer because of a false flag takes as long without.",
    "All that it does not know: docs/for-physicists.md, Minutes saved and lost.",
)


def lines(report: Report, local: Callable[[datetime], str]) -> list[str]:
    """
    Return the report, line by line.

    Parameters
    ----------
    report
        The report.
    local
        Writes a time as the site's clocks show it.
    """
    exams, kept = report.exams, report.adherence
    return [
        f"minutes on the reading list, exams that came {local(report.since)} to {local(report.until)} "
        f"({report.time_zone})",
        report.statement,
        f"{exams.came} exams came: {exams.read_here} read from this list, {exams.read_elsewhere} read elsewhere, "
        f"{exams.withdrawn} withdrawn, {exams.waiting} unread; {report.compared} compared",
        f"the order was followed in {kept.followed} of {kept.openings} openings{_share(kept.share_followed)}; "
        f"{kept.by_next} by next",
        f"of {report.positives_reported} flagged exams that are reported, {report.positives_confirmed} were found "
        "right by their reader",
        *_table(report.figures),
        *(_before(one) for one in report.stat_before_first_open),
        *(_cost(one) for one in report.costs),
        "",
        *LIMITS,
    ]


def _table(figures: Sequence[Figure]) -> Iterable[str]:
    heading = None
    for one in figures:
        if not one.exams:
            continue
        place = f"{one.week or 'the whole time'}, {one.pathway or 'all exams'}"
        if place != heading:
            yield from ("", place)
            heading = place
        yield "  " + _line(one)


def _line(one: Figure) -> str:
    mean = one.minutes_per_exam
    each = f"{mean.estimate:+z.1f}{_ends(mean, '+z.1f')}" if mean else ""
    return (
        f"{_WORDS[one.measure]:24} {one.minutes:+z9.1f} min in all, each {each}; "
        f"{_many(one.exams, 'exam')}, {one.followed} in order, {one.by_next} by next"
    )


def _before(one: BeforeFirstOpen) -> str:
    return (
        f"{one.pathway}: an answer was there before {one.with_answer} of {one.exams} STAT exams were opened"
        f"{_share(one.share)}"
    )


def _cost(one: Cost) -> str:
    answers = f"{one.pathway}: {_many(one.answers, 'answer')}"
    if one.cost is None:
        return f"{answers} without a price: set VOORRANG_CPU_HOUR_COST, VOORRANG_GPU_HOUR_COST"
    if one.per_minute_saved is None:
        return f"{answers} cost {one.cost:.4g}; no minute was saved"
    each = one.per_minute_saved
    per_minute = f"{each.estimate:.3g} a minute saved{_ends(each, '.3g')}"
    return f"{answers} cost {one.cost:.4g}, {per_minute}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _share(found: Interval | None) -> str:
    if found is None:
        return ""
    if found.low is None or found.high is None:
        return f" ({found.estimate:.0%}, {_TOO_FEW})"
    return f" ({found.estimate:.0%}, {found.low:.0%} to {found.high:.0%})"


def _ends(found: Interval, how: str) -> str:
    if found.low is None and found.high is None:
        return f" ({_TOO_FEW})"
    low, high = ("…" if end is None else format(end, how) for end in (found.low, found.high))
    return f" ({low} to {high})"
