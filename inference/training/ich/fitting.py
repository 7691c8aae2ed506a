"""The last five blocks, trained on cached maps of the first eleven."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from inference.builtin.lite_network import N_CLASSES, LastBlocks, SamePadConv
from inference.training.ich.caching import Cached, Maps, last_blocks
from inference.training.ich.making import Made

Labels = npt.NDArray[np.bool_]
Logits = npt.NDArray[np.float64]

_UNCHANGED_SHARE = 0.25
_LOW_SHARE = 0.35

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    How the last blocks are trained; the defaults are what ships.

    Parameters
    ----------
    steps, batch, positive_share
        There is no early stopping; a share of each batch has a bleed.
    rate, last_rate, decay
        Of AdamW, for the blocks and for the new last layer; falling to 0 along half a cosine.
    smoothing
        Of labels: 0 becomes half of it, 1 one less half of it.
    type_weight
        Of the five types' loss beside that of any bleed.
    averaging
        Decay of the moving average of weights, which is what is kept.
    dropout
        Before the last layer.
    brain_weight
        How often a slice without a bleed is drawn from above the lowest 35 % of the stack, for once from there: neck
        and skull base are easy, and no series is lifted by them. Those with a bleed are drawn by one over the root of
        their patient's number of them.
    made_share
        Share of those with and of those without a bleed, in each batch, that were made for training.
    phantom_share
        The same of slices of phantoms.
    """

    steps: int = 480
    batch: int = 32
    positive_share: float = 0.4
    rate: float = 6e-4
    last_rate: float = 2e-3
    decay: float = 0.05
    smoothing: float = 0.1
    type_weight: float = 0.3
    averaging: float = 0.99
    dropout: float = 0.3
    brain_weight: float = 3.0
    made_share: float = 0.2
    phantom_share: float = 0.1


class Examples:
    """
    Slices of some patients as training draws them.

    Parameters
    ----------
    cached
        From `cached_maps`, one for each patient.
    labels
        Shape (n_slices, 6) for each patient: any bleed, and the five types.
    made
        Slices that were made of those of these patients.
    phantoms
        Slices of phantoms.
    """

    def __init__(
        self,
        cached: Sequence[Cached],
        labels: Sequence[Labels],
        made: Sequence[Made] = (),
        phantoms: Made | None = None,
    ) -> None:
        self._made = _Pool(made)
        self._phantoms = _Pool([phantoms] if phantoms else [])
        self._copies: list[list[Maps]] = []
        for each, own in zip(cached, labels, strict=True):
            copies: list[list[Maps]] = [[] for _ in own]
            for slices, maps in zip(each.slices, each.maps, strict=True):
                for row, k in enumerate(slices):
                    copies[k].append(maps[row])
            self._copies += copies
        self.labels = np.concatenate(labels).astype(np.float32)
        self.positive = np.flatnonzero(self.labels[:, 0] > 0)
        self.negative = np.flatnonzero(self.labels[:, 0] == 0)
        weights = [np.full(len(each), max(int(each[:, 0].sum()), 1) ** -0.5) for each in labels]
        weight = np.concatenate(weights)[self.positive]
        self._weight = weight / weight.sum()
        self.is_low = np.concatenate([np.arange(len(own)) < _LOW_SHARE * len(own) for own in labels])

    def draw(self, rng: np.random.Generator, recipe: Recipe) -> tuple[torch.Tensor, torch.Tensor]:
        """Return maps (n, 112, 14, 14) and labels (n, 6); each slice as one of its copies, half of them mirrored."""
        n_positive = round(recipe.batch * recipe.positive_share)
        n = (n_positive, recipe.batch - n_positive)
        others = [self._made.draw(rng, n, recipe.made_share), self._phantoms.draw(rng, n, recipe.phantom_share)]
        other_labels = np.concatenate([labels for _, labels in others])
        n_other_positive = int(np.count_nonzero(other_labels[:, 0]))
        n_positive, n_negative = n[0] - n_other_positive, n[1] - len(other_labels) + n_other_positive
        weight = np.where(self.is_low[self.negative], 1.0, recipe.brain_weight)
        negative = rng.choice(self.negative, n_negative, p=weight / weight.sum())
        picked = np.concatenate([rng.choice(self.positive, n_positive, p=self._weight), negative])
        drawn = [self._one(int(index), rng) for index in picked]
        drawn += [_mirrored(maps, rng) for those, _ in others for maps in those]
        maps = np.stack(drawn).astype(np.float32)
        given = torch.from_numpy(maps).contiguous(memory_format=torch.channels_last)
        return given, torch.from_numpy(np.concatenate([self.labels[picked], other_labels]))

    def _one(self, index: int, rng: np.random.Generator) -> Maps:
        """Return a slice or one of its copies; unchanged as often with a bleed as without, or that would tell."""
        copies = self._copies[index]
        is_unchanged = len(copies) == 1 or rng.random() < _UNCHANGED_SHARE
        maps = copies[0] if is_unchanged else copies[rng.integers(1, len(copies))]
        return _mirrored(maps, rng)


class _Pool:
    """Slices that were made, with and without a bleed."""

    def __init__(self, made: Sequence[Made]) -> None:
        self._maps = [maps for each in made for maps in each.maps]
        empty = np.zeros((0, N_CLASSES), np.float32)
        self._labels = np.concatenate([empty, *(each.labels for each in made)]).astype(np.float32)

    def draw(
        self, rng: np.random.Generator, n: tuple[int, int], share: float
    ) -> tuple[list[Maps], npt.NDArray[np.float32]]:
        """Return a share of n with and n without a bleed: maps, and labels of shape (n_drawn, 6); none of none."""
        is_bleed = self._labels[:, 0] > 0
        pools = (np.flatnonzero(is_bleed), np.flatnonzero(~is_bleed))
        drawn = [rng.choice(own, round(share * each)) for own, each in zip(pools, n, strict=True) if len(own)]
        picked = np.concatenate([np.zeros(0, np.intp), *drawn])
        return [self._maps[index] for index in picked], self._labels[picked]


def _mirrored(maps: Maps, rng: np.random.Generator) -> Maps:
    return maps[..., ::-1] if rng.random() < 0.5 else maps


def fitted(examples: Examples, recipe: Recipe, seed: int) -> LastBlocks:
    """
    Train the last blocks.

    Parameters
    ----------
    examples
        Of the training patients only.
    recipe
        How.
    seed
        Of drawing and of the last layer.

    Returns
    -------
    LastBlocks
        The moving average of the weights, ready to compute. Batch statistics stay those of ImageNet.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = last_blocks(recipe.dropout)
    average = last_blocks(recipe.dropout)
    average.load_state_dict(network.state_dict())
    _multiply_in_half_precision(network)
    optimiser, schedule = _optimiser(network, recipe)
    for step in range(recipe.steps):
        network.train()
        _freeze_statistics(network)
        loss = _loss(network, *examples.draw(rng, recipe), recipe)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        _average(average, network, min(recipe.averaging, (1 + step) / (10 + step)))
        if step % 50 == 49:
            _log.info(json.dumps({"step": step + 1, "loss": round(float(loss.detach()), 4)}))
    return average.eval().requires_grad_(False)


def logits_of(network: LastBlocks, maps: Maps) -> Logits:
    """Return the logit of any bleed of maps of shape (n, 112, 14, 14), shape (n,)."""
    with torch.inference_mode():
        given = torch.from_numpy(maps.astype(np.float32)).contiguous(memory_format=torch.channels_last)
        return np.asarray(network.bleed_logits(given).numpy(), dtype=np.float64)


def _optimiser(
    network: LastBlocks, recipe: Recipe
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    last = {id(parameter) for parameter in network.answer.parameters()}
    groups = [
        {"params": [p for p in network.parameters() if id(p) not in last], "lr": recipe.rate},
        {"params": list(network.answer.parameters()), "lr": recipe.last_rate},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=recipe.decay)
    return optimiser, torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)


def _multiply_in_half_precision(network: nn.Module) -> None:
    """Let convolutions of 1 x 1, which take most of the time, multiply in bfloat16; weights stay as they are."""
    for module in network.modules():
        if isinstance(module, SamePadConv) and module.kernel_size == (1, 1):
            module.forward = partial(_in_half_precision, module)  # type: ignore[method-assign]


def _in_half_precision(convolution: SamePadConv, x: torch.Tensor) -> torch.Tensor:
    return nn.functional.conv2d(x.bfloat16(), convolution.weight.bfloat16()).float()


def _freeze_statistics(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def _loss(network: LastBlocks, maps: torch.Tensor, labels: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    wanted = labels * (1 - recipe.smoothing) + recipe.smoothing / 2
    each = nn.functional.binary_cross_entropy_with_logits(network(maps), wanted, reduction="none").mean(0)
    return each[0] + recipe.type_weight * each[1:].mean()


@torch.no_grad()
def _average(average: nn.Module, network: nn.Module, decay: float) -> None:
    for kept, new in zip(average.parameters(), network.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)
