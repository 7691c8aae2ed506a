"""The calibrations are of the models as they are, and say what they were counted on."""

from __future__ import annotations

import pytest

from inference.models import load_model
from voorrang.calibration import read_calibration, require_bound
from voorrang.demo.calibrating import use_of
from voorrang.demo.running import CALIBRATIONS, MODELS, REFERENCE_CAD


@pytest.mark.parametrize(("name", "pathway"), [*MODELS, *REFERENCE_CAD])
def test_calibration_is_of_the_model_as_it_is(name: str, pathway: str) -> None:
    """Fails when a model was changed: `python -m voorrang.demo.calibrating` counts again."""
    found, _ = read_calibration(CALIBRATIONS / f"{name}.json")

    require_bound(
        found,
        pathway=pathway,
        model_id=name,
        weights_digest=load_model(name).weights_digest,
        operating_point=use_of(name, pathway).operating_point,
        site="demo",
    )
    assert found.source.endswith("phantoms, no patients")
