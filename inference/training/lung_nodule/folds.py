"""Leave one scan out: which chests a network was trained on, and which cases it may be judged on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from inference.builtin.nodule_network import NoduleNetwork, NoduleNetworks
from inference.training.lung_nodule.caching import Examples, joined
from inference.training.lung_nodule.cases import PHANTOM, SEED
from inference.training.lung_nodule.chests import THICK, THIN
from inference.training.lung_nodule.fitting import Recipe, fitted

SOURCES = (THIN, THICK, PHANTOM)
_BETWEEN_MEMBERS, _BETWEEN_DRAWS = 10, 1000  # of seeds; those of folds follow one another


@dataclass(frozen=True, slots=True)
class Fold:
    """
    Networks, by what they were trained on and what they are judged on.

    Parameters
    ----------
    name
        Of its files of weights, with the seed of each.
    trained_on, judged_on
        Sources. Phantoms are in both: of other seeds.
    seed
        Of weights and drawing, of the first of them.
    """

    name: str
    trained_on: tuple[str, ...]
    judged_on: tuple[str, ...]
    seed: int


WITHOUT_THIN = Fold("without-thin", (THICK, PHANTOM), (THIN,), SEED)
WITHOUT_THICK = Fold("without-thick", (THIN, PHANTOM), (THICK,), SEED + 1)
ALL = Fold("all", SOURCES, (PHANTOM,), SEED + 2)
FOLDS = (WITHOUT_THIN, WITHOUT_THICK, ALL)


def networks_for(fold: Fold, examples_of: Callable[[str], Examples], recipe: Recipe, keep: Path) -> NoduleNetworks:
    """
    Train the networks of a fold, or take those that are kept.

    Parameters
    ----------
    fold
        Which.
    examples_of
        Gives the examples of a source; it is asked for those of this fold only.
    recipe
        How.
    keep
        Folder of the weights.
    """
    keep.mkdir(parents=True, exist_ok=True)
    seeds = [fold.seed + _BETWEEN_DRAWS * recipe.draw + _BETWEEN_MEMBERS * k for k in range(recipe.members)]
    paths = {seed: keep / f"weights-{fold.name}-{seed}.pt" for seed in seeds}
    missing = [seed for seed, path in paths.items() if not path.is_file()]
    if missing:
        examples = joined([examples_of(source) for source in fold.trained_on])
        for seed in missing:
            torch.save(fitted(examples, recipe, seed).state_dict(), paths[seed])
    networks = NoduleNetworks(_kept(path) for path in paths.values())
    return networks.eval().requires_grad_(False)


def _kept(path: Path) -> NoduleNetwork:
    network = NoduleNetwork()
    network.load_state_dict(torch.load(path, weights_only=True))
    return network
