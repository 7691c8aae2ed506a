"""The bench of the worklist, small: that it runs, and that its copies are what events would have made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from voorrang.bench.worklist_filled import FLAGGED, filled_worklist, kind_of, uid_of
from voorrang.bench.worklist_once import main, p99
from worklist.listing import Lister

pytestmark = pytest.mark.integration


def test_copied_items_stand_as_the_policy_says_and_have_names(tmp_path: Path) -> None:
    with filled_worklist(f"sqlite:///{tmp_path / 'a.sqlite'}", 60) as filled:
        runtime = filled.runtime
        folder = runtime.settings.calibrations_dir
        listing = Lister(runtime.database, runtime.pathways, runtime.clock, True, folder).listing(100)
        numbers = [int(row.item_key.rsplit(".", 1)[1]) for row in listing.items]
        arrivals = [row.arrived_at for row in listing.items]
        filled.runtime.relay.wake.clear()

    assert (listing.total, sorted(numbers)) == (60, list(range(1, 61)))
    assert {kind_of(number) for number in numbers[:FLAGGED]} == {0}
    assert arrivals[:FLAGGED] == sorted(arrivals[:FLAGGED])
    assert arrivals[FLAGGED:] == sorted(arrivals[FLAGGED:])
    assert all(row.patient and row.item_key == uid_of(n) for row, n in zip(listing.items, numbers, strict=True))
    assert sorted(row.rank_without_ai or 0 for row in listing.items) == list(range(1, 61))


def test_small_run_gives_every_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(f"sqlite:///{tmp_path / 'a.sqlite'}", 60, 5) == 0

    found = json.loads(capsys.readouterr().out)
    assert all(value > 0 for value in found["figures"].values())
    assert {"rank_p99_ms_10k", "list_p99_ms_10k", "list_to_plain_query_10k", "events_per_s"} <= found["figures"].keys()
    assert {row["what"] for row in found["rows"]} == {"list", "plain", "rank", "events"}


@pytest.mark.parametrize(("values", "expected"), [([7.0], 7.0), ([*map(float, range(1, 101))], 99.0), ([2, 1], 2)])
def test_p99_is_by_nearest_rank(values: list[float], expected: float) -> None:
    assert p99(values) == expected
