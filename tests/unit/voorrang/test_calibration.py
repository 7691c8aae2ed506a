"""What a flag is worth here: intervals counted twice, hand counts, and files that are about something else."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest

from tests.integration.worklist_world import make_activation
from voorrang.calibration import Calibration, bounds, load_activated, read_calibration, require_bound
from voorrang.errors import ConfigurationError

BOUND: dict[str, Any] = {
    "pathway": "stroke",
    "model_id": "head",
    "weights_digest": "a" * 64,
    "operating_point": 0.5,
    "site": "site",
}


def values(**changed: Any) -> dict[str, Any]:
    counted = {"schema_version": 1, "flagged": 263, "true_positives": 81, "positives": 99, "curve": []}
    said = {"made_by": "Vermeulen", "made_on": "2026-11-20", "source": "reports of October"}
    return {**BOUND, **counted, **said, **changed}


@pytest.mark.parametrize("trials", [1, 9, 29, 263])
def test_bounds_are_those_of_another_implementation(trials: int) -> None:
    for successes in range(trials + 1):
        interval = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
        assert bounds(successes, trials) == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_bounds_of_hand_counted_cases() -> None:
    assert bounds(0, 0) == (0.0, 1.0)
    assert bounds(0, 20)[0] == 0.0
    # All of n right: n / (n + z²), the larger root of Wilson's equation being 1; z² = 3.841459.
    assert bounds(20, 20) == pytest.approx((20 / 23.841459, 1), abs=1e-6)


def test_with_99_positives_the_lower_bound_counts_and_with_100_the_curve() -> None:
    curve = [[0.5, 0.2], [0.9, 0.6]]
    few = Calibration.model_validate(values(curve=curve))
    enough = Calibration.model_validate(values(curve=curve, positives=100))

    assert few.probability(0.7) == few.probability(0.99) == bounds(81, 263)[0]
    assert [enough.probability(s) for s in (0.4, 0.7, 1.0)] == pytest.approx([0.2, 0.4, 0.6])


@pytest.mark.parametrize(
    "wrong",
    [
        {"true_positives": 264},
        {"true_positives": 100},
        {"positives": 100},
        {"curve": [[0.5, 0.6], [0.9, 0.2]]},
        {"curve": [[0.5, 0.2], [0.5, 0.3]]},
        {"curve": [[0.5, 1.2]]},
        {"weights_digest": "short"},
        {"influence": "rank"},
        {"schema_version": 2},
    ],
)
def test_file_that_contradicts_itself_is_refused(wrong: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(values(**wrong)))
    with pytest.raises(ConfigurationError, match=r"calibration\.json: "):
        read_calibration(path)


@pytest.mark.parametrize("name", BOUND)
def test_calibration_of_something_else_is_refused(name: str) -> None:
    other = {**BOUND, name: 0.4 if name == "operating_point" else "b" * 64}
    require_bound(Calibration.model_validate(values()), **BOUND)
    with pytest.raises(ConfigurationError, match=f"calibration's {name} is"):
        require_bound(Calibration.model_validate(values()), **other)


def test_file_that_the_disk_did_not_give_once_counts_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new.json"
    path.write_text(json.dumps(values()))
    found, digest = read_calibration(path)
    path.rename(tmp_path / f"{digest}.json")
    active = [make_activation(calibration_digest=digest)]

    def refuse(_: Path) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        assert load_activated(tmp_path, active) == {}
    assert load_activated(tmp_path, active) == {digest: found}


def test_changed_file_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "new.json"
    path.write_text(json.dumps(values()))
    found, digest = read_calibration(path)
    kept = tmp_path / f"{digest}.json"
    path.rename(kept)
    active = [make_activation(calibration_digest=one) for one in (digest, "f" * 64, None)]
    assert load_activated(tmp_path, active) == {digest: found}

    kept.write_text(json.dumps(values(true_positives=9)))
    assert load_activated(tmp_path, active) == {}
    kept.unlink()
    assert load_activated(tmp_path, active) == {}
