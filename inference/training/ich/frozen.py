"""Logistic regression on features that stay as ImageNet made them: the simplest thing that uses them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy import optimize, special

from inference.builtin.lite_network import pooled
from inference.training.ich.caching import Cached, last_blocks

Features = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]

_BATCH = 128
_FLAT = 1e-6


def features_of(maps: npt.NDArray[np.float16]) -> Features:
    """Return pooled features, shape (n, 3840), of maps of shape (n, 112, 14, 14)."""
    network = last_blocks().eval()
    parts = []
    with torch.inference_mode():
        for at in range(0, len(maps), _BATCH):
            parts.append(pooled(network.maps(torch.from_numpy(maps[at : at + _BATCH].astype(np.float32)))).numpy())
    return np.concatenate(parts).astype(np.float64)


def fitted_logistic(
    cached: Sequence[Cached], labels: Sequence[Labels], decay: float
) -> Callable[[npt.NDArray[np.float16]], Features]:
    """
    Fit a logistic regression, positives and negatives of equal weight.

    Parameters
    ----------
    cached
        Of the training patients; the first copy of each slice is used.
    labels
        Any bleed, shape (n_slices,) for each patient.
    decay
        Half of the penalty on squared weights, per sample, of features scaled by mean and deviation of these patients.

    Returns
    -------
    Callable
        From maps to logits.
    """
    features = np.concatenate([features_of(each.maps[0]) for each in cached])
    centre, scale = features.mean(axis=0), np.maximum(features.std(axis=0), _FLAT)
    weights = logistic_weights((features - centre) / scale, np.concatenate(labels), decay)
    return lambda maps: np.asarray(((features_of(maps) - centre) / scale) @ weights[1:] + weights[0])


def logistic_weights(x: Features, y: Labels, decay: float) -> Features:
    """Return offset and weights, shape (1 + n_features,), by L-BFGS; the offset is not penalised."""
    n_positive = int(np.count_nonzero(y))
    share = np.where(y, 0.5 / max(n_positive, 1), 0.5 / max(len(y) - n_positive, 1))
    sign = np.where(y, 1.0, -1.0)

    def _loss(w: Features) -> tuple[float, Features]:
        margin = sign * (x @ w[1:] + w[0])
        slope = -sign * share * special.expit(-margin)
        value = float(share @ np.logaddexp(0, -margin) + decay / 2 * (w[1:] @ w[1:]))
        return value, np.concatenate([[slope.sum()], x.T @ slope + decay * w[1:]])

    found = optimize.minimize(_loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return np.asarray(found.x, dtype=np.float64)
