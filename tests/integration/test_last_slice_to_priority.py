"""What the alert ResultLate goes by: there from the start, and about slices that came, not about commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from tests.integration.worklist_world import World, make_answer, make_study, worklist_world
from voorrang.metrics import LAST_SLICE_TO_PRIORITY_SECONDS
from worklist.handlers import handlers

pytestmark = pytest.mark.integration


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with worklist_world(tmp_path) as world:
        yield world


def count(pathway: str) -> float | None:
    return REGISTRY.get_sample_value("voorrang_last_slice_to_priority_seconds_count", {"pathway": pathway})


def test_every_pathway_has_its_count_before_its_first_result(world: World) -> None:
    """Prometheus sees no rise in a first sample: the first late result after a start would be no late one."""
    LAST_SLICE_TO_PRIORITY_SECONDS.clear()
    handlers(world.runtime, world.ranking)
    assert {name: count(name) for name in world.runtime.pathways} == dict.fromkeys(world.runtime.pathways, 0.0)


def test_what_was_commanded_to_be_read_again_is_no_late_result(world: World) -> None:
    LAST_SLICE_TO_PRIORITY_SECONDS.clear()
    world.tell(make_study(1), make_answer(1))
    assert count("stroke") == 1
    world.clock.advance(86_400)
    world.tell(make_answer(1, run=2))
    assert count("stroke") == 1
    world.tell(make_answer(1, revision=2))
    assert count("stroke") == 2
