"""The pathways of the demo: those of the package, with trained models in place of the rules."""

from __future__ import annotations

from pathlib import Path

import yaml

from voorrang.pathways.loading import load_pathways
from voorrang.pathways.pathway import ModelUse, Pathway

_TRAINED = {
    "stroke": ModelUse(name="ich", operating_point=0.5),
    "lung-nodule": ModelUse(name="lung-nodule", operating_point=0.957),
}


def demo_pathways() -> dict[str, Pathway]:
    """Return them by name."""
    found = load_pathways(None)
    return {name: found[name].model_copy(update={"models": (use,)}) for name, use in _TRAINED.items()}


def write_pathways(folder: Path) -> Path:
    """Write a file for each, as `VOORRANG_PATHWAYS_DIR` takes them; return the folder."""
    for name, pathway in demo_pathways().items():
        values = pathway.model_dump(mode="json", by_alias=True, exclude_none=True)
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return folder
