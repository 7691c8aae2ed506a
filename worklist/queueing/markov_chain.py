"""
The exact wait behind a class that interrupts and reads at another pace, for several readers. Pure.

State: (interrupting cases, exams behind them). Levels count the exams behind and have no end: above as many as there
are readers they repeat, so one matrix R carries each into the next. Interrupting cases are cut off where fewer than
one in 10¹³ arrivals would see so many.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_NEGLIGIBLE = 1e-13
_MOST_PHASES = 150


class _Levels(NamedTuple):
    """What leads from a level to the next, within it, and to the one before, where levels repeat."""

    up: Matrix
    within: Matrix
    down: Matrix


def mean_wait_behind(readers: int, first: tuple[float, float], behind: tuple[float, float]) -> float | None:
    """
    Return the mean wait, in minutes, of exams that a first class interrupts.

    Parameters
    ----------
    readers
        How many; not overloaded by both classes together.
    first
        Arrivals a minute and mean reading time of the class that interrupts.
    behind
        The same of the exams that are interrupted, and resumed.

    Returns
    -------
    float, or None
        None when the first class alone keeps the readers so busy that the chain would have more than 150 phases.

    References
    ----------
    Neuts, Matrix-Geometric Solutions in Stochastic Models (1981), chapters 1 and 3; R by the logarithmic reduction of
    Latouche and Ramaswami, Journal of Applied Probability 30:650-674 (1993).
    """
    phases = _phases(readers, first[0] * first[1] / readers)
    if phases > _MOST_PHASES:
        return None
    changes = _changes_of_first(readers, first, phases)
    to_next = np.eye(phases) * behind[0]
    reading = np.minimum(np.arange(readers + 1)[:, None], np.clip(readers - np.arange(phases), 0, None)) / behind[1]

    def level(number: int) -> _Levels:
        """Return the rates at so many exams behind."""
        rates = reading[min(number, readers)]
        within = changes - np.diag(changes.sum(axis=1) + behind[0] + rates)
        return _Levels(to_next, within, np.diag(rates))

    repeating = level(readers)
    carry = _rate_matrix(repeating)
    # Below the repeating levels each has its own matrix: R_n = up · (-(within + R_{n+1} · down))⁻¹.
    carries = [carry]
    for number in range(readers - 1, 0, -1):
        carries.append(to_next @ np.linalg.inv(-(level(number).within + carries[-1] @ level(number + 1).down)))
    carries.reverse()
    at_level = _stationary(level(0).within + carries[0] @ level(1).down)
    mass, number_there = 0.0, 0.0
    for number in range(readers - 1):
        mass += at_level.sum()
        number_there += number * at_level.sum()
        at_level = at_level @ carries[number]
    rest = np.linalg.inv(np.eye(phases) - carry)
    onward = at_level @ rest
    mass += onward.sum()
    number_there += (readers - 1) * onward.sum() + (onward @ carry @ rest).sum()
    return float(number_there / mass / behind[0] - behind[1])


def _phases(readers: int, load: float) -> int:
    return readers + 2 + math.ceil(math.log(_NEGLIGIBLE) / math.log(load))


def _changes_of_first(readers: int, first: tuple[float, float], phases: int) -> Matrix:
    arrivals = np.full(phases - 1, first[0])
    readings = np.minimum(np.arange(1, phases), readers) / first[1]
    changes: Matrix = np.diag(arrivals, 1) + np.diag(readings, -1)
    return changes


def _rate_matrix(levels: _Levels) -> Matrix:
    size = len(levels.within)
    identity = np.eye(size)
    inverse = np.linalg.inv(-levels.within)
    rise, fall = inverse @ levels.up, inverse @ levels.down
    reached, doubled = fall.copy(), rise.copy()
    while np.abs(1 - reached.sum(axis=1)).max() > 1e-13 and np.abs(doubled).max() > 1e-300:
        both = np.linalg.inv(identity - rise @ fall - fall @ rise)
        rise, fall = both @ rise @ rise, both @ fall @ fall
        reached += doubled @ fall
        doubled = doubled @ rise
    carry: Matrix = levels.up @ np.linalg.inv(-(levels.within + levels.up @ reached))
    return carry


def _stationary(generator: Matrix) -> Matrix:
    system = generator.T.copy()
    system[-1] = 1.0
    found: Matrix = np.linalg.solve(system, np.eye(len(system))[-1])
    return found
