"""The rules are held against a worklist on real tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.worklist_world import World, worklist_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A worklist without models that move anything."""
    with worklist_world(tmp_path) as made:
        yield made
