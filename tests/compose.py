"""compose.yaml as compose would see it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*)|:\?[^}]*)?\}")


def read_compose(path: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what a file says with its variables filled in; one that is not given is its default, or nothing."""
    filled = _VARIABLE.sub(lambda match: environment.get(match["name"], match["default"] or ""), path.read_text())
    loaded: dict[str, Any] = yaml.safe_load(filled)
    return loaded
