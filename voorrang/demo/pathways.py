"""The pathways of the demo: those of the package, with trained models in place of the rules."""

from __future__ import annotations

from pathlib import Path

import yaml

from inference.builtin.cards import operating_point_of
from voorrang.pathways.loading import load_pathways
from voorrang.pathways.pathway import ModelUse, Pathway

_TRAINED = {"stroke": "ich", "lung-nodule": "lung-nodule"}


def demo_pathways() -> dict[str, Pathway]:
    """Return them by name."""
    found = load_pathways(None)
    uses = {
        pathway: ModelUse(name=model, operating_point=operating_point_of(model)) for pathway, model in _TRAINED.items()
    }
    return {name: found[name].model_copy(update={"models": (use,)}) for name, use in uses.items()}


def write_pathways(folder: Path) -> Path:
    """Write a file for each, as `VOORRANG_PATHWAYS_DIR` takes them; return the folder."""
    for name, pathway in demo_pathways().items():
        values = pathway.model_dump(mode="json", by_alias=True, exclude_none=True)
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return folder
