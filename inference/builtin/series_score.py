"""One score of a series from the logits of its slices."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.float64]

_KERNEL = (0.25, 0.5, 0.25)


def smoothed_along_z(logits: Logits) -> Logits:
    """
    Smooth logits of neighbouring slices of about 5 mm.

    Parameters
    ----------
    logits
        Shape (n_slices,), in the order of the slices.

    Returns
    -------
    ndarray of shape (n_slices,)
        A quarter of each neighbour and half of the slice itself; ends have themselves as the missing neighbour.
    """
    padded = np.pad(np.asarray(logits, dtype=np.float64), 1, mode="edge")
    return np.asarray(sum(w * padded[k : k + len(logits)] for k, w in enumerate(_KERNEL)), dtype=np.float64)


def series_logit(smoothed: Logits, top: int) -> float:
    """Return the mean of the highest smoothed logits, of all where there are fewer."""
    return float(np.sort(smoothed)[-top:].mean())


def probability(logit: Logits | float) -> npt.NDArray[np.float64]:
    """Return the logistic function of logits, 0..1."""
    return np.asarray(1 / (1 + np.exp(-np.asarray(logit, dtype=np.float64))), dtype=np.float64)
