"""The order does not come from the demo: without influence, or without the bleed, nothing is lifted."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from tests.e2e.world import ASKING, built_in, send, settled, uid_of, until
from voorrang.demo.phantoms.head import make_head
from voorrang.demo.running import STROKE, activate_models
from voorrang.demo.scratch import ScratchStack
from voorrang.demo.studies import DEMO_NAMES, DEMO_SEED, DemoStudy

pytestmark = pytest.mark.e2e
WHO = ("--actor", "a.tester", "--role", "physicist", "--reason", "test of the kill switch")


@pytest.fixture
def stack() -> Iterator[ScratchStack]:
    with ScratchStack() as running:
        yield running


def order(stack: ScratchStack, studies: list[DemoStudy]) -> list[str]:
    """Return the names of the studies in the order of the list."""
    names = {uid_of(study): study.name for study in studies}
    return [names[uid] for item in stack.worklist()["items"] for uid in item["study_instance_uids"] if uid in names]


def test_suspended_models_leave_the_order_of_arrival_and_the_page_says_so(stack: ScratchStack) -> None:
    studies = built_in("head-normal", "head-bleed")
    activate_models(stack, STROKE)
    stack.command("model", "suspend", "reference-head", "--pathway", "stroke", *WHO)
    send(stack, studies)
    settled(stack, studies)
    assert order(stack, studies) == ["head-normal", "head-bleed"]
    page = ASKING.get(f"{stack.address}/").text
    assert "reference-head is suspended for stroke" in page

    # The same answers, given influence, lift the bleed: what was held back is the influence, not the model.
    until(lambda: _scored(stack), "the worker to have answered")
    stack.command("model", "activate", "reference-head", "--pathway", "stroke", "--influence", "rank", *WHO)
    until(lambda: order(stack, studies) == ["head-bleed", "head-normal"], "the bleed to be lifted", seconds=10)

    stack.command("model", "suspend", "reference-head", "--pathway", "stroke", *WHO)
    until(lambda: order(stack, studies) == ["head-normal", "head-bleed"], "the order without AI", seconds=10)


def test_without_its_bleed_the_urgent_study_is_not_lifted(stack: ScratchStack) -> None:
    normal, bleeding = built_in("head-normal", "head-bleed")
    cleared = without_bleed(bleeding)
    activate_models(stack, STROKE)
    send(stack, [normal, cleared])
    items = settled(stack, [normal, cleared])
    assert order(stack, [normal, cleared]) == ["head-normal", "head-bleed"]
    assert items["head-bleed"]["state"] == "scored"
    assert items["head-bleed"]["tier"] == "routine"
    assert items["head-bleed"]["pathways"][0]["flagged"] is False


def without_bleed(study: DemoStudy) -> DemoStudy:
    """Return the same study, header by header, with the pixels of the same head before it bled."""
    seed = DEMO_SEED + DEMO_NAMES.index(study.name)
    instances = deepcopy(study.instances)
    for ds, hu in zip(instances, make_head(seed).voxels_hu, strict=True):
        ds.PixelData = (hu.astype(np.int32) - int(ds.RescaleIntercept)).astype("<u2").tobytes()
    return replace(study, instances=instances, truth=())


def _scored(stack: ScratchStack) -> bool:
    metrics = ASKING.get(f"http://127.0.0.1:{stack.values['inference_metrics_port']}/metrics").text
    return 'voorrang_series_read_total{model="reference-head",state="scored"} 2.0' in metrics
