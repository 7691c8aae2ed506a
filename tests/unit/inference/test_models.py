from __future__ import annotations

import pytest

from inference.models import MODEL_NAMES, UnknownModelError, load_model


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_every_named_model_loads_and_says_who_it_is(name: str) -> None:
    model = load_model(name)
    assert model.model_id == name
    assert model.version
    assert len(model.weights_digest) >= 64
    assert 0 < model.operating_point < 1
    assert model.weights_digest == load_model(name).weights_digest


def test_an_unknown_name_is_told_with_those_that_are_known() -> None:
    with pytest.raises(UnknownModelError, match=r"'ichor'.*ich, lung-nodule, reference-head, reference-lung"):
        load_model("ichor")
