"""The order of `bench ingest`, and what is taken off for a receiver that has something to do while nothing comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.voorrang.bench.test_bench_figures import row
from voorrang.bench import idling, rounds
from voorrang.bench.idling import PERIOD_SECONDS, idle_cpu_shares
from voorrang.bench.measuring import WARM_UP, Row, Stamps
from voorrang.bench.names import DCMTK_FORK, DURABLE, LARGE, ORTHANC, PYNETDICOM_APP, SMALL, VOLATILE
from voorrang.bench.receiver import Receiver, Usage
from voorrang.bench.rounds import Batches, Plan, run_rounds
from voorrang.bench.slices import Batch


class Idler(Receiver):
    """Uses so many seconds each time that it is looked at."""

    def __init__(self, name: str, seconds: float = 0.0) -> None:
        super().__init__(name, Path(), 0)
        self.seconds = seconds
        self.spent = 0.0
        self.starts = 0

    def start(self) -> None:
        self.starts += 1

    def stop(self) -> None:
        pass

    @property
    def pids(self) -> list[int]:
        return []

    def usage(self) -> Usage:
        self.spent += self.seconds
        return Usage({"listener": self.spent / 4, "assembler": 3 * self.spent / 4})

    def prepare(self) -> None:
        pass

    def stored(self, batch: Batch) -> int:
        return len(batch.files)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int, int, float]]:
    """Measure nothing, and note what was asked."""
    asked: list[tuple[str, str, int, int, float]] = []

    def note(
        receiver: Receiver, batch: Batch, associations: int, number: int, stamps: Stamps, share: float = 0.0
    ) -> Row:
        del stamps
        asked.append((receiver.name, batch.data, associations, number, share))
        return row(receiver.name, 100.0, associations, round_number=number)

    monkeypatch.setattr(rounds, "measure", note)
    monkeypatch.setattr(idling, "PERIOD_SECONDS", 0.001)
    return asked


def _batches() -> Batches:
    large, small, few = (Batch(data, Path(), (), 0) for data in (LARGE, SMALL, "few"))
    return Batches(large, small, few)


def test_what_recurs_seldom_is_a_part_of_what_an_idle_receiver_uses() -> None:
    waited: list[float] = []

    shares = idle_cpu_shares([Idler("ours", 0.5), Idler("theirs")], waited.append)

    assert shares == {"ours": pytest.approx(0.5 / PERIOD_SECONDS), "theirs": 0.0}
    assert waited == [PERIOD_SECONDS]


def test_every_receiver_warms_up_and_is_measured_in_turn(measured: list[tuple[str, str, int, int, float]]) -> None:
    receivers = [Idler(DCMTK_FORK), Idler(VOLATILE, 0.001)]

    list(run_rounds(receivers, _batches(), Plan(rounds=1, small_rounds=0), deadline=float("inf"), stamps=Stamps()))

    assert [asked[:4] for asked in measured] == [
        (DCMTK_FORK, LARGE, 4, WARM_UP),
        (VOLATILE, LARGE, 4, WARM_UP),
        (DCMTK_FORK, LARGE, 1, 1),
        (VOLATILE, LARGE, 1, 1),
        (DCMTK_FORK, LARGE, 4, 1),
        (VOLATILE, LARGE, 4, 1),
    ]
    assert [asked[4] for asked in measured[2:]] == [0.0, pytest.approx(1.0), 0.0, pytest.approx(1.0)]


def test_slow_receivers_and_small_instances_have_fewer_rounds(
    measured: list[tuple[str, str, int, int, float]],
) -> None:
    receivers = [Idler(name) for name in (DCMTK_FORK, DURABLE, ORTHANC, PYNETDICOM_APP)]
    plan = Plan(rounds=3, slow_rounds=2, small_rounds=1)

    list(run_rounds(receivers, _batches(), plan, deadline=float("inf"), stamps=Stamps()))

    def rounds_of(name: str, data: str) -> list[int]:
        return [number for who, what, _, number, _ in measured if (who, what) == (name, data) and number != WARM_UP]

    assert rounds_of(DURABLE, LARGE) == [1, 1, 2, 2, 3, 3]
    assert rounds_of(ORTHANC, LARGE) == [1, 1, 2, 2]
    assert rounds_of(DURABLE, SMALL) == [1, 1]
    assert rounds_of(ORTHANC, SMALL) == rounds_of(PYNETDICOM_APP, SMALL) == []
    assert rounds_of(PYNETDICOM_APP, "few") == [1, 1]
    assert [one.starts for one in receivers] == [2, 2, 0, 0]


def test_no_round_is_begun_after_its_time_but_the_first(measured: list[tuple[str, str, int, int, float]]) -> None:
    list(run_rounds([Idler(DURABLE)], _batches(), Plan(), deadline=0.0, stamps=Stamps()))

    assert {number for *_, number, _ in measured} == {WARM_UP, 1}
