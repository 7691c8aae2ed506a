"""The last five blocks, trained on cached maps of the first eleven."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from inference.builtin.lite_network import LastBlocks
from inference.training.ich.caching import Cached, last_blocks

Labels = npt.NDArray[np.bool_]
Logits = npt.NDArray[np.float64]

_UNCHANGED_SHARE = 0.25

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    How the last blocks are trained.

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
    mixing
        Share of batches whose samples are mixed in pairs (mixup with a uniform share); 0: none.
    """

    steps: int = 300
    batch: int = 32
    positive_share: float = 0.4
    rate: float = 3e-4
    last_rate: float = 1e-3
    decay: float = 0.05
    smoothing: float = 0.1
    type_weight: float = 0.3
    averaging: float = 0.98
    dropout: float = 0.3
    mixing: float = 0.0


class Examples:
    """
    Slices of some patients as training draws them.

    Parameters
    ----------
    cached
        From `cached_maps`, one for each patient.
    labels
        Shape (n_slices, 6) for each patient: any bleed, and the five types.
    """

    def __init__(self, cached: Sequence[Cached], labels: Sequence[Labels]) -> None:
        self._copies: list[list[npt.NDArray[np.float16]]] = []
        for each, own in zip(cached, labels, strict=True):
            copies: list[list[npt.NDArray[np.float16]]] = [[] for _ in own]
            for slices, maps in zip(each.slices, each.maps, strict=True):
                for row, k in enumerate(slices):
                    copies[k].append(maps[row])
            self._copies += copies
        self.labels = np.concatenate(labels).astype(np.float32)
        self.positive = np.flatnonzero(self.labels[:, 0] > 0)
        self.negative = np.flatnonzero(self.labels[:, 0] == 0)

    def draw(self, rng: np.random.Generator, recipe: Recipe) -> tuple[torch.Tensor, torch.Tensor]:
        """Return maps (n, 112, 14, 14) and labels (n, 6); each slice as one of its copies, half of them mirrored."""
        n_positive = round(recipe.batch * recipe.positive_share)
        picked = np.concatenate(
            [rng.choice(self.positive, n_positive), rng.choice(self.negative, recipe.batch - n_positive)]
        )
        maps = np.stack([self._one(int(index), rng) for index in picked]).astype(np.float32)
        return torch.from_numpy(maps).contiguous(memory_format=torch.channels_last), torch.from_numpy(
            self.labels[picked]
        )

    def _one(self, index: int, rng: np.random.Generator) -> npt.NDArray[np.float16]:
        """Return a slice or one of its copies; unchanged as often with a bleed as without, or that would tell."""
        copies = self._copies[index]
        is_unchanged = len(copies) == 1 or rng.random() < _UNCHANGED_SHARE
        maps = copies[0] if is_unchanged else copies[rng.integers(1, len(copies))]
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
    optimiser, schedule = _optimiser(network, recipe)
    for step in range(recipe.steps):
        network.train()
        _freeze_statistics(network)
        loss = _loss(network, *_mixed(*examples.draw(rng, recipe), rng, recipe), recipe)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        _average(average, network, min(recipe.averaging, (1 + step) / (10 + step)))
        if step % 50 == 49:
            _log.info(json.dumps({"step": step + 1, "loss": round(float(loss.detach()), 4)}))
    return average.eval().requires_grad_(False)


def logits_of(network: LastBlocks, maps: npt.NDArray[np.float16]) -> Logits:
    """Return the logit of any bleed of maps of shape (n, 112, 14, 14), shape (n,)."""
    with torch.inference_mode():
        given = torch.from_numpy(maps.astype(np.float32)).contiguous(memory_format=torch.channels_last)
        return np.asarray(network(given)[:, 0].numpy(), dtype=np.float64)


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


def _freeze_statistics(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def _mixed(
    maps: torch.Tensor, labels: torch.Tensor, rng: np.random.Generator, recipe: Recipe
) -> tuple[torch.Tensor, torch.Tensor]:
    if recipe.mixing == 0 or rng.random() >= recipe.mixing:
        return maps, labels
    share = float(rng.uniform())
    other = torch.from_numpy(rng.permutation(len(maps)))
    return share * maps + (1 - share) * maps[other], share * labels + (1 - share) * labels[other]


def _loss(network: LastBlocks, maps: torch.Tensor, labels: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    wanted = labels * (1 - recipe.smoothing) + recipe.smoothing / 2
    each = nn.functional.binary_cross_entropy_with_logits(network(maps), wanted, reduction="none").mean(0)
    return each[0] + recipe.type_weight * each[1:].mean()


@torch.no_grad()
def _average(average: nn.Module, network: nn.Module, decay: float) -> None:
    for kept, new in zip(average.parameters(), network.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)


def described(recipe: Recipe) -> dict[str, float]:
    """Return a recipe as numbers by name."""
    return asdict(recipe)
