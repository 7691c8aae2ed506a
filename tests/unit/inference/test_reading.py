from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from inference.model import LocatedFinding, Opinion
from inference.reading import read_series, read_with_all
from inference.scope import OutOfScopeError, ScopeCode, ScopeReason
from inference.volume import Volume
from tests.unit.inference.instances import InMemorySeries, make_instance
from voorrang.dicom.headers import InstanceHeader
from voorrang.events.records import ScoringState
from voorrang.pathways.criteria import SeriesCriteria

OPINION = Opinion(0.7, (LocatedFinding("lung_nodule", 0.7, (1.0, 2.0, 3.0), 8.0),))


class FakeModel:
    """Says what it is told to; keeps the volumes that it read."""

    model_id, version, weights_digest, operating_point = "fake", "1", "0", 0.5
    scope = SeriesCriteria(region="chest")

    def __init__(self, answer: Callable[[], Opinion] = lambda: OPINION) -> None:
        self.answer = answer
        self.volumes: list[Volume] = []

    def read(self, volume: Volume) -> Opinion:
        self.volumes.append(volume)
        return self.answer()


def _says(opinion: Opinion) -> Callable[[], Opinion]:
    return lambda: opinion


def make_series(n: int = 5) -> InMemorySeries:
    return InMemorySeries(
        [make_instance(np.full((4, 4), i, np.uint16), number=i + 1, position_mm=(0, 0, 3.0 * i)) for i in range(n)]
    )


def raises(error: Exception) -> Callable[[], Opinion]:
    def answer() -> Opinion:
        raise error

    return answer


def test_a_series_in_scope_is_assembled_and_scored() -> None:
    series, model = make_series(), FakeModel()
    outcome = read_series(model, series.headers, series.open_instance)
    assert (outcome.state, outcome.opinion, outcome.message) == (ScoringState.SCORED, OPINION, "")
    assert model.volumes[0].voxels_hu.shape == (5, 4, 4)


def test_out_of_scope_opens_no_file() -> None:
    series, model = make_series(), FakeModel()
    asked = SeriesCriteria(region="chest", min_coverage_mm=100)
    outcome = read_series(model, series.headers, series.open_instance, asked)
    assert outcome.state is ScoringState.OUT_OF_SCOPE
    assert outcome.opinion is None
    assert [reason.code for reason in outcome.reasons] == [ScopeCode.COVERAGE]
    assert outcome.message == "The stack covers 15 mm; at least 100 mm is asked."
    assert series.opened == []
    assert model.volumes == []


def test_anatomy_that_the_model_refuses_is_out_of_scope() -> None:
    series = make_series()
    reason = ScopeReason(ScopeCode.ANATOMY, "No lungs are found; a chest is asked.")
    outcome = read_series(FakeModel(raises(OutOfScopeError(reason))), series.headers, series.open_instance)
    assert (outcome.state, outcome.reasons) == (ScoringState.OUT_OF_SCOPE, (reason,))


def test_an_error_of_the_model_is_failed_with_its_type_and_not_its_text() -> None:
    series = make_series()
    outcome = read_series(FakeModel(raises(KeyError("JANSSEN"))), series.headers, series.open_instance)
    assert (outcome.state, outcome.message) == (ScoringState.FAILED, "KeyError")


def test_a_file_that_cannot_be_opened_is_for_the_caller_to_try_again() -> None:
    def lost(header: InstanceHeader) -> None:
        raise FileNotFoundError(header.sop_instance_uid)

    with pytest.raises(FileNotFoundError):
        read_series(FakeModel(), make_series().headers, lost)  # type: ignore[arg-type]


def test_the_scope_of_the_model_holds_also_where_the_pathway_asks_less() -> None:
    series, model = make_series(), FakeModel()
    model.scope = SeriesCriteria(region="chest", min_coverage_mm=100)
    outcome = read_series(model, series.headers, series.open_instance, SeriesCriteria(region="chest"))
    assert [reason.code for reason in outcome.reasons] == [ScopeCode.COVERAGE]


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.1, 1.1])
def test_a_score_that_is_none_is_failed_and_never_negative(score: float) -> None:
    series = make_series()
    opinions = (Opinion(score, ()), Opinion(0.5, (LocatedFinding("lung_nodule", score, None, None),)))
    for opinion in opinions:
        outcome = read_series(FakeModel(_says(opinion)), series.headers, series.open_instance)
        assert (outcome.state, outcome.opinion) == (ScoringState.FAILED, None)


def test_several_models_read_one_volume_that_is_read_once_and_that_none_can_write_to() -> None:
    def spoils() -> Opinion:
        second.volumes[0].voxels_hu[0] = 0
        return OPINION

    first, second, third = FakeModel(), FakeModel(spoils), FakeModel()
    series = make_series()
    outcomes = dict(read_with_all({"a": first, "b": second, "c": third}, series.headers, series.open_instance))
    assert [outcome.state for outcome in outcomes.values()] == ["scored", "failed", "scored"]
    assert outcomes["b"].message == "ValueError"
    assert first.volumes[0] is third.volumes[0]
    assert len(series.opened) == len(series.headers)


def test_only_the_models_in_whose_scope_a_series_is_read_it() -> None:
    narrow, wide = FakeModel(), FakeModel()
    narrow.scope = SeriesCriteria(region="chest", min_coverage_mm=100)
    series = make_series()
    outcomes = dict(read_with_all({"narrow": narrow, "wide": wide}, series.headers, series.open_instance))
    assert [outcome.state for outcome in outcomes.values()] == ["out_of_scope", "scored"]
    assert narrow.volumes == []
