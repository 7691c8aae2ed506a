"""What is usual: how much darker one side's regions are in heads that nothing was put into."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inference.builtin.asymmetry.comparing import Difference
from inference.builtin.asymmetry.model import compared
from inference.training.asymmetry.heads import real_heads, split

EVEN_QUANTILE = 0.9


def usual(data: Path) -> dict[str, Any]:
    """
    Measure the numbers that the rules hold.

    Parameters
    ----------
    data
        Folder of CT-ICH.

    Returns
    -------
    dict
        `usual_hu`, the mean over heads and sides of `darker_hu` by region (part and level), and `even_multiple`, the
        90th percentile of the largest multiple of it in each head; of the development heads alone.
    """
    found = [compared(head.brain) for head in real_heads(split(data)[0])]
    by_region = _means(found)
    largest = [max(each.darker_hu / by_region[_key(each)] for each in head) for head in found]
    return {
        "heads": len(found),
        "usual_hu": {name: round(value, 3) for name, value in sorted(by_region.items())},
        "even_multiple": round(float(np.quantile(largest, EVEN_QUANTILE)), 3),
    }


def _means(found: Sequence[Sequence[Difference]]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for each in (difference for head in found for difference in head):
        values.setdefault(_key(each), []).append(each.darker_hu)
    return {name: float(np.mean(each)) for name, each in values.items()}


def _key(difference: Difference) -> str:
    return f"{difference.region.part}_{difference.region.level}"
