"""Reads pathway files; a mistake is named with file, line and remedy."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from voorrang.errors import ConfigurationError
from voorrang.pathways.pathway import Pathway

_REMEDIES = {
    "extra_forbidden": "remove this key; a model's state is given by `voorrang model activate`, never by a file",
    "missing": "add this key",
}


def load_pathways(folder: Path | None) -> dict[str, Pathway]:
    """
    Load every `*.yaml` of a folder; None means the pathways of the package.

    Raises
    ------
    ConfigurationError
        When a file is not a pathway, naming file, line and remedy; when two have one name; when there is none.
    """
    here = folder if folder is not None else Path(str(resources.files("voorrang.pathways") / "builtin"))
    pathways: dict[str, Pathway] = {}
    for path in sorted(here.glob("*.yaml")):
        pathway = load_pathway(path)
        if pathway.name in pathways:
            raise ConfigurationError(f"{path}: pathway {pathway.name} is defined twice; rename one")
        pathways[pathway.name] = pathway
    if not pathways:
        raise ConfigurationError(f"{here} holds no pathway (*.yaml): set VOORRANG_PATHWAYS_DIR")
    return pathways


def load_pathway(path: Path) -> Pathway:
    """
    Load one pathway file.

    Raises
    ------
    ConfigurationError
        When it is not a pathway, naming file, line and remedy.
    """
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(f"{path}:{line}: not YAML: {error.problem}; mend the syntax there") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}; save it as a UTF-8 text file") from error
    try:
        return Pathway.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        remedy = _REMEDIES.get(first["type"], "correct this value")
        message = f"{path}:{_line(root, first['loc'])}: {where}: {first['msg']}; {remedy}"
        raise ConfigurationError(message) from error


def _line(node: Any, location: tuple[int | str, ...]) -> int:
    """Return the 1-based line of the deepest part of a location that the file has."""
    line = node.start_mark.line + 1 if node is not None else 1
    for part in location:
        child = _child(node, part)
        if child is None:
            break
        key, node = child
        line = key.start_mark.line + 1
    return line


def _child(node: Any, part: int | str) -> tuple[Any, Any] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((k, v) for k, v in node.value if k.value == part), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None
