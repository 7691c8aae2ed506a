"""The network, trained on cached cubes: batches in which what looks most like a nodule and is none comes often."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from inference.builtin.nodule_network import NoduleNetwork
from inference.builtin.nodule_patches import SIDE, Bytes, Facts
from inference.training.lung_nodule.caching import MARGIN, Examples, Values

_EASY = 0.02
_SIZES_MM = (0.0, 6.0, 8.0, 12.0, 20.0, np.inf)  # nodules of each range come equally often
_BYTE_NOISE = 6.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    How the network is trained; the defaults are what ships.

    Parameters
    ----------
    steps, batch, positive_share
        There is no early stopping; a share of each batch are nodules.
    rate, decay
        Of AdamW; falls to 0 along half a cosine.
    averaging
        Decay of the moving average of weights, which is what is kept.
    size_weight
        Of the loss of the size beside that of the score.
    members
        Networks trained from different seeds, and averaged: one network differs from the next by as much as it is
        better than rules (the card has both).
    draw
        0 ships; another takes other seeds for all of them, and shows what that changes.
    """

    steps: int = 900
    batch: int = 64
    positive_share: float = 0.3
    rate: float = 2e-3
    decay: float = 1e-2
    averaging: float = 0.99
    size_weight: float = 0.2
    members: int = 5
    draw: int = 0


class _Draw:
    """Draws batches; a negative comes the more often, the higher its score was when it was last drawn."""

    def __init__(self, examples: Examples, recipe: Recipe, rng: np.random.Generator) -> None:
        self._examples, self._recipe, self._rng = examples, recipe, rng
        self._positive = np.flatnonzero(examples.is_nodule)
        self._negative = np.flatnonzero(~examples.is_nodule)
        self._sizes = examples.sizes
        self._hardness = likeness(examples.facts[self._negative])
        self._share = even_shares(examples.diameters_mm[self._positive])
        self._drawn: npt.NDArray[np.intp] = np.empty(0, np.intp)

    def batch(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return cubes, facts, labels and sizes; the nodules come first."""
        n = round(self._recipe.batch * self._recipe.positive_share)
        weight = self._hardness + _EASY
        self._drawn = self._rng.choice(len(weight), self._recipe.batch - n, p=weight / weight.sum())
        picked = np.concatenate([self._rng.choice(self._positive, n, p=self._share), self._negative[self._drawn]])
        cubes = np.stack([changed(self._examples.cubes[k], self._rng) for k in picked])
        labels = self._examples.is_nodule[picked].astype(np.float32)
        given = (cubes, self._examples.facts[picked], labels, self._sizes[picked])
        a, b, c, d = (torch.from_numpy(each) for each in given)
        return a, b, c, d

    def learn(self, logits: torch.Tensor) -> None:
        """Take the scores of the negatives of the last batch."""
        n = len(logits) - len(self._drawn)
        self._hardness[self._drawn] = torch.sigmoid(logits[n:]).numpy()


def changed(cubes: Bytes, rng: np.random.Generator) -> Bytes:
    """
    Shift, mirror and turn cubes, and change density and noise a little.

    Parameters
    ----------
    cubes
        Shape (3, 22, 22, 22): close, near and far; the far one is not shifted.
    rng
        Of the change.

    Returns
    -------
    Bytes
        Shape (3, 20, 20, 20).
    """
    middle = (slice(MARGIN, MARGIN + SIDE),) * 3
    shifts = [tuple(slice(int(k), int(k) + SIDE) for k in rng.integers(0, 2 * MARGIN + 1, 3)) for _ in range(2)]
    out = np.stack([cube[part] for cube, part in zip(cubes, (*shifts, middle), strict=True)])
    for axis in (1, 2, 3):
        if rng.random() < 0.5:
            out = np.flip(out, axis)
    out = np.rot90(out, int(rng.integers(4)), (2, 3))
    noise = rng.standard_normal(out.shape, dtype=np.float32) * np.float32(rng.uniform(0, _BYTE_NOISE))
    shifted = out * np.float32(rng.uniform(0.95, 1.05)) + np.float32(rng.uniform(-4, 4)) + noise
    return np.clip(shifted, 0, 255).astype(np.uint8)


def even_shares(diameters_mm: Values) -> npt.NDArray[np.float64]:
    """Return how often each nodule comes, so that those of each range of sizes come equally often; sums to 1."""
    ranges = np.digitize(diameters_mm, _SIZES_MM)
    share = 1.0 / np.bincount(ranges)[ranges]
    return np.asarray(share / share.sum())


def likeness(facts: Facts) -> npt.NDArray[np.float64]:
    """Return how much candidates look like nodules before anything is learnt: strength x roundness x compactness."""
    return np.clip(2.0 * facts[:, 1].astype(np.float64) * facts[:, 2] * facts[:, 6], 0.05, 1.0)


def fitted(examples: Examples, recipe: Recipe, seed: int) -> NoduleNetwork:
    """
    Train the network.

    Parameters
    ----------
    examples
        Of the training chests only.
    recipe
        How.
    seed
        Of weights and drawing.

    Returns
    -------
    NoduleNetwork
        The moving average of the weights, ready to compute.
    """
    torch.manual_seed(seed)
    draw = _Draw(examples, recipe, np.random.default_rng(seed))
    network = NoduleNetwork().train()
    averaging = torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.averaging)  # type: ignore[no-untyped-call]
    average = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=averaging, use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, recipe.steps, pct_start=0.1)
    for step in range(recipe.steps):
        cubes, facts, labels, sizes = draw.batch()
        out = network(cubes, facts)
        loss = _loss(out, labels, sizes, recipe)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        average.update_parameters(network)
        draw.learn(out[:, 0].detach())
        if step % 100 == 99:
            _log.info(json.dumps({"step": step + 1, "loss": round(float(loss.detach()), 4)}))
    kept = NoduleNetwork()
    kept.load_state_dict(average.module.state_dict())
    return kept.eval().requires_grad_(False)


def _loss(out: torch.Tensor, labels: torch.Tensor, sizes: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    score = nn.functional.binary_cross_entropy_with_logits(out[:, 0], labels)
    size = (nn.functional.smooth_l1_loss(out[:, 1], sizes, reduction="none") * labels).sum() / labels.sum().clamp(min=1)
    return score + recipe.size_weight * size
