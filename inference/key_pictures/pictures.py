"""The key pictures of what a model said of a volume."""

from __future__ import annotations

from collections.abc import Mapping

from inference.key_pictures.drawing import draw
from inference.key_pictures.placing import place
from inference.model import Opinion
from inference.volume import Volume
from voorrang.logs import get_logger
from voorrang.pathways.criteria import Region, SeriesCriteria

AT_MOST = 5  # of one opinion, the highest scores: a page shows the first, a reader looks at few
# Where a pathway names no window: brain tissue, and lungs with the vessels in them.
WINDOWS_HU: Mapping[Region, tuple[float, float]] = {"head": (0.0, 80.0), "chest": (-1350.0, 150.0)}


def draw_pictures(opinion: Opinion, volume: Volume, criteria: SeriesCriteria) -> tuple[bytes | None, ...]:
    """
    Draw the highest findings.

    Parameters
    ----------
    opinion
        Findings in mm LPS.
    volume
        What was read, HU.
    criteria
        Of the pathway, or of the model where there is none: the window and the region.

    Returns
    -------
    tuple of bytes or None
        PNG of each finding in its order; None for one without a place, one of the lower, and one that cannot be drawn.
        A finding is never lost for its picture.
    """
    window = criteria.window_hu or WINDOWS_HU[criteria.region]
    highest = sorted(range(len(opinion.findings)), key=lambda n: -opinion.findings[n].score)[:AT_MOST]
    pictures: list[bytes | None] = [None] * len(opinion.findings)
    for n in highest:
        try:
            where = place(opinion.findings[n], volume)
            pictures[n] = draw(volume, where, window) if where is not None else None
        except Exception as error:  # noqa: BLE001 - the score of a patient who cannot wait goes on without its picture
            get_logger().error("key picture", reason=type(error).__name__)
    return tuple(pictures)
