"""
Mean waiting times by closed forms. Pure.

Wait = time in the system minus one's own reading time. Poisson arrivals, exponential reading times, classes in order
of priority, first come first served inside a class.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stream:
    """
    A Poisson stream of exams.

    Parameters
    ----------
    rate
        Arrivals a minute.
    minutes
        Mean reading time.
    """

    rate: float
    minutes: float


@dataclass(frozen=True, slots=True)
class ClassWait:
    """
    Mean wait in one class.

    Parameters
    ----------
    until_opened
        Minutes that do not depend on one's own reading time.
    per_minute_of_reading
        Minutes put aside, for each minute of one's own reading; 0 where nothing is interrupted or all are alike.
    """

    until_opened: float
    per_minute_of_reading: float = 0.0

    def of(self, minutes: float) -> float:
        """Return the mean wait of those whose reading takes so many minutes on average."""
        return self.until_opened + minutes * self.per_minute_of_reading


Class = Sequence[Stream]


def erlang_c(readers: int, offered: float) -> float:
    """
    Return the probability that an arrival finds every reader busy.

    Parameters
    ----------
    readers
        How many.
    offered
        Arrival rate times mean reading time, below the number of readers.

    References
    ----------
    Erlang's C formula, by the recursion of his B formula, which no factorial overflows.
    """
    blocked = 1.0
    for busy in range(1, readers + 1):
        blocked = offered * blocked / (busy + offered * blocked)
    return blocked * readers / (readers - offered * (1 - blocked))


def one_reader(classes: Sequence[Class], *, preemptive: bool) -> list[ClassWait]:
    """
    Return the mean wait of each class for one reader, whatever the reading times.

    Parameters
    ----------
    classes
        None empty; total load below 1.
    preemptive
        Preemptive-resume, else a reading in hand is finished.

    References
    ----------
    Cobham, Operations Research 2:70-76 (1954) for the non-preemptive form; Takagi, Queueing Analysis 1 (1991),
    section 3.4, for preemptive-resume; both rest on second moments (Pollaczek-Khinchine), 2·m² for an exponential.
    """
    loads = _running_sums(_load(streams) for streams in classes)
    residues = _running_sums(math.fsum(stream.rate * stream.minutes**2 for stream in streams) for streams in classes)
    waits = []
    for before, load, residue in zip([0.0, *loads], loads, residues, strict=False):
        ahead = (residue if preemptive else residues[-1]) / ((1 - before) * (1 - load))
        waits.append(ClassWait(ahead, before / (1 - before) if preemptive else 0.0))
    return waits


def equal_readings(rates: Sequence[float], minutes: float, readers: int, *, preemptive: bool) -> list[ClassWait]:
    """
    Return the mean wait of each class when all have one mean reading time, for any number of readers.

    Parameters
    ----------
    rates
        Arrivals a minute of each class, none 0.
    minutes
        The mean reading time.
    readers
        How many; together not overloaded.
    preemptive
        Preemptive-resume, else a reading in hand is finished.

    References
    ----------
    Kella and Yechiali, Stochastic Processes and their Applications 19:55-65 (1985), for the non-preemptive form.
    Preemptive: classes 1 to k together are a first-come queue of their own, so its mean number waiting minus that of
    classes 1 to k-1 is class k's (Little).
    """
    sums = _running_sums(rates)
    if preemptive:
        waiting = [rate * _first_come(rate, minutes, readers) for rate in sums]
        return [
            ClassWait((now - before) / rate) for now, before, rate in zip(waiting, [0.0, *waiting], rates, strict=False)
        ]
    busy = erlang_c(readers, sums[-1] * minutes) * minutes / readers
    shares = [rate * minutes / readers for rate in sums]
    return [ClassWait(busy / ((1 - before) * (1 - now))) for now, before in zip(shares, [0.0, *shares], strict=False)]


def behind_unequal_first_class(classes: Sequence[Class], readers: int) -> list[ClassWait] | None:
    """
    Return the preemptive mean waits when the first class reads at another pace than all others, exactly.

    Classes 2 to k together are one class behind the first: the Markov chain gives its mean number waiting, and the
    difference of two such numbers is one class's own.

    Returns
    -------
    list of ClassWait, or None
        None where the classes are not so, or the chain would be too large.
    """
    from worklist.queueing.markov_chain import mean_wait_behind  # numpy is slow to load, and seldom needed

    first, *others = classes
    first_minutes, minutes = _one_pace(first), _one_pace(stream for streams in others for stream in streams)
    if first_minutes is None or minutes is None:
        return None
    ahead = Stream(_rate(first), first_minutes)
    waits = [ClassWait(_first_come(ahead.rate, ahead.minutes, readers))]
    rates = [_rate(streams) for streams in others]
    before = 0.0
    for rate, total in zip(rates, _running_sums(rates), strict=True):
        together = mean_wait_behind(readers, (ahead.rate, ahead.minutes), (total, minutes))
        if together is None:
            return None
        waits.append(ClassWait((total * together - before) / rate))
        before = total * together
    return waits


def priority_waits(classes: Sequence[Class], readers: int, *, preemptive: bool) -> tuple[list[ClassWait] | None, str]:
    """
    Return the mean wait of each class and the name of the method; None where only a simulation can tell.

    Parameters
    ----------
    classes
        In order of priority, none empty; together not overloaded.
    readers
        How many.
    preemptive
        Preemptive-resume, else a reading in hand is finished.
    """
    pace = _one_pace(stream for streams in classes for stream in streams)
    if pace is not None:
        waits = equal_readings([_rate(streams) for streams in classes], pace, readers, preemptive=preemptive)
        return waits, "closed form, equal reading times"
    if readers == 1:
        return one_reader(classes, preemptive=preemptive), "closed form, one reader, second moments"
    if preemptive and len(classes) > 1:
        found = behind_unequal_first_class(classes, readers)
        return found, "exact Markov chain" if found else "none"
    return None, "none"


def mean_minutes(streams: Class) -> float:
    """Return the mean reading time of a class that is not empty."""
    return _load(streams) / _rate(streams)


def _first_come(rate: float, minutes: float, readers: int) -> float:
    return erlang_c(readers, rate * minutes) / (readers / minutes - rate)


def _one_pace(streams: Iterable[Stream]) -> float | None:
    paces = [stream.minutes for stream in streams]
    return paces[0] if paces and all(math.isclose(pace, paces[0], rel_tol=1e-12) for pace in paces) else None


def _rate(streams: Class) -> float:
    return math.fsum(stream.rate for stream in streams)


def _load(streams: Class) -> float:
    return math.fsum(stream.rate * stream.minutes for stream in streams)


def _running_sums(values: Iterable[float]) -> list[float]:
    sums: list[float] = []
    for value in values:
        sums.append(value + (sums[-1] if sums else 0.0))
    return sums
