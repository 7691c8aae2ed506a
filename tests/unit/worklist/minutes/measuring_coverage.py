"""
How often the intervals of the proof of minutes hold.

`python -m tests.unit.worklist.minutes.measuring_coverage [WARDS] [DAYS]`: each ward is simulated and compared by the
replay; the truth is the mean over all wards. No test: it takes minutes.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from datetime import UTC

from tests.unit.worklist.minutes.reading_days import Ward, by_key
from worklist.minutes.comparing import compare
from worklist.minutes.figures import Figure, Measure, figures

MEASURES = (Measure.SAVED_BY_POSITIVES, Measure.LOST_BY_REST, Measure.LOST_TO_LATENCY)


def main(wards: int, days: int) -> None:
    """Print the share of wards in whose interval the truth lies."""
    found: dict[Measure, list[Figure]] = defaultdict(list)
    for seed in range(wards):
        exams, minutes = Ward(seed, days).exams()
        compared = compare(by_key(exams), Ward(seed, days).read(exams, minutes, by_ai=True))
        for one in figures(compared, (), UTC):
            if one.week is None and one.pathway is None:
                found[one.measure].append(one)
    for measure in MEASURES:
        each = found[measure]
        truth = sum(one.minutes for one in each) / sum(one.exams for one in each)
        found_in = [one.minutes_per_exam for one in each if one.minutes_per_exam is not None]
        ends = [(one.low, one.high) for one in found_in if one.low is not None and one.high is not None]
        held = sum(low <= truth <= high for low, high in ends)
        sys.stdout.write(
            f"{measure.value}: {truth:.2f} minutes; held in {held} of {len(ends)} wards that have one, {wards} in all\n"
        )


if __name__ == "__main__":
    main(*(int(part) for part in [*sys.argv[1:], *("200", "28")[len(sys.argv) - 1 :]]))
