"""Leave one scan out: which chests a network was trained on, and which cases it may be judged on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from inference.builtin.nodule_network import NoduleNetwork, network_of
from inference.training.lung_nodule.caching import Examples, joined
from inference.training.lung_nodule.cases import PHANTOM, SEED
from inference.training.lung_nodule.chests import THICK, THIN
from inference.training.lung_nodule.fitting import Recipe, fitted

SOURCES = (THIN, THICK, PHANTOM)


@dataclass(frozen=True, slots=True)
class Fold:
    """
    A network, by what it was trained on and what it is judged on.

    Parameters
    ----------
    name
        Of its file of weights.
    trained_on, judged_on
        Sources. Phantoms are in both: of other seeds.
    seed
        Of weights and drawing.
    """

    name: str
    trained_on: tuple[str, ...]
    judged_on: tuple[str, ...]
    seed: int


WITHOUT_THIN = Fold("without-thin", (THICK, PHANTOM), (THIN,), SEED)
WITHOUT_THICK = Fold("without-thick", (THIN, PHANTOM), (THICK,), SEED + 1)
ALL = Fold("all", SOURCES, (PHANTOM,), SEED + 2)
FOLDS = (WITHOUT_THIN, WITHOUT_THICK, ALL)


def network_for(fold: Fold, examples_of: Callable[[str], Examples], recipe: Recipe, keep: Path) -> NoduleNetwork:
    """
    Train the network of a fold, or take the one that is kept.

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
    path = keep / f"weights-{fold.name}.pt"
    if not path.is_file():
        keep.mkdir(parents=True, exist_ok=True)
        network = fitted(joined([examples_of(source) for source in fold.trained_on]), recipe, fold.seed)
        torch.save(network.state_dict(), path)
    return network_of(torch.load(path, weights_only=True))
