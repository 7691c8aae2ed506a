"""The calibrations of the demo are of the reference CAD as it is, and say what they were counted on."""

from __future__ import annotations

import pytest

from inference.models import load_model
from voorrang.calibration import read_calibration, require_bound
from voorrang.demo.running import CALIBRATIONS, MODELS
from voorrang.pathways.loading import load_pathways


@pytest.mark.parametrize(("name", "pathway"), MODELS)
def test_calibration_is_of_the_model_as_it_is(name: str, pathway: str) -> None:
    """Fails when the reference CAD was changed: `python -m voorrang.demo.calibrating` counts again."""
    found, _ = read_calibration(CALIBRATIONS / f"{name}.json")
    (use,) = load_pathways(None)[pathway].models

    require_bound(
        found,
        pathway=pathway,
        model_id=name,
        weights_digest=load_model(name).weights_digest,
        operating_point=use.operating_point,
        site="demo",
    )
    assert found.source.endswith("phantoms, no patients")
