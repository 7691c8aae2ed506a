"""Logistic regression on features that stay as ImageNet made them: the simplest thing that uses them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy import optimize, special

from inference.builtin.lite_network import pooled
from inference.training.ich.caching import Maps, last_blocks

Features = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]

_BATCH = 128
_FLAT = 1e-6


def features_of(maps: Maps) -> Maps:
    """Return pooled features, shape (n, 3840), of maps of shape (n, 112, 14, 14)."""
    network = last_blocks().eval()
    parts = []
    with torch.inference_mode():
        for at in range(0, len(maps), _BATCH):
            parts.append(pooled(network.maps(torch.from_numpy(maps[at : at + _BATCH].astype(np.float32)))).numpy())
    return np.concatenate(parts)


def fitted_logistic(features: Sequence[Maps], labels: Sequence[Labels], decay: float) -> Callable[[Maps], Features]:
    """
    Fit a logistic regression, positives and negatives of equal weight.

    Parameters
    ----------
    features
        Shape (n_slices, n_features) for each training patient.
    labels
        Shape (n_slices, 6) for each; the first column is any bleed.
    decay
        Half of the penalty on squared weights, per sample, of features scaled by mean and deviation of these patients.

    Returns
    -------
    Callable
        From features to logits.
    """
    given = np.concatenate(features).astype(np.float64)
    centre, scale = given.mean(axis=0), np.maximum(given.std(axis=0), _FLAT)
    weights = logistic_weights((given - centre) / scale, np.concatenate([each[:, 0] for each in labels]), decay)
    return lambda x: np.asarray(((x - centre) / scale) @ weights[1:] + weights[0], dtype=np.float64)


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
