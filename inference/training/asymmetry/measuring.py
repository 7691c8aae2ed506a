"""Figures of heads with dark regions that were put in, with intervals from resampled heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from inference.builtin.asymmetry.model import OPERATING_POINT
from inference.training.asymmetry.trying import DIAMETERS_MM, DROPS_HU, Said, Tried
from inference.training.ich.measuring import auc

N_RESAMPLES = 2000

_Cell = list[Said]


def figures(heads: Sequence[Tried], seed: int, n_resamples: int = N_RESAMPLES) -> dict[str, Any]:
    """
    Return the figures of a group of heads.

    Parameters
    ----------
    heads
        Each once.
    seed
        Of the resampling.
    n_resamples
        Bootstrap samples of heads, each with all that was put into it.

    Returns
    -------
    dict
        `heads`; `flagged_as_they_are`; and `by_size_and_drop`: by diameter and drop the AUC of heads with against
        heads as they are, the shares of right sides, of right regions (side, third and half), and of flags; each with
        `value`, `low` and `high`, the 95 % percentile interval.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    rng = np.random.default_rng(seed)
    picks = [rng.integers(0, len(heads), len(heads)) for _ in range(n_resamples)]
    cells = {
        f"{diameter:.0f} mm, {drop:.0f} HU": {
            name: _estimate(heads, picks, lambda group, d=diameter, h=drop, m=measure: m(group, d, h))  # type: ignore[misc]
            for name, measure in _MEASURES.items()
        }
        for diameter in DIAMETERS_MM
        for drop in DROPS_HU
    }
    return {
        "heads": len(heads),
        "flagged_as_they_are": sum(head.score >= OPERATING_POINT for head in heads),
        "by_size_and_drop": cells,
    }


def _auc(heads: Sequence[Tried], diameter: float, drop: float) -> float:
    own = np.array([head.score for head in heads])
    scores = np.array([each.score for each in _cell(heads, diameter, drop)])
    return auc(np.concatenate([own, scores]), np.arange(len(own) + len(scores)) >= len(own))


def _share(is_so: Callable[[Said], bool]) -> Callable[[Sequence[Tried], float, float], float]:
    return lambda heads, diameter, drop: float(np.mean([is_so(each) for each in _cell(heads, diameter, drop)]))


_MEASURES: dict[str, Callable[[Sequence[Tried], float, float], float]] = {
    "auc": _auc,
    "right_side": _share(lambda each: each.is_side),
    "right_region": _share(lambda each: each.is_region),
    "flagged": _share(lambda each: each.score >= OPERATING_POINT),
}


def _cell(heads: Sequence[Tried], diameter: float, drop: float) -> _Cell:
    return [each for head in heads for each in head.said if (each.diameter_mm, each.drop_hu) == (diameter, drop)]


def _estimate(
    heads: Sequence[Tried], picks: Sequence[Any], measure: Callable[[Sequence[Tried]], float]
) -> dict[str, float]:
    low, high = np.percentile([measure([heads[k] for k in pick]) for pick in picks], [2.5, 97.5])
    return {"value": round(measure(heads), 3), "low": round(float(low), 3), "high": round(float(high), 3)}
