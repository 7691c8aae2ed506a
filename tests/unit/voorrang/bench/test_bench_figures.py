"""Figures of `bench ingest` are medians of good runs, as ratios, each the worse of one and four associations."""

from __future__ import annotations

import pytest

from voorrang.bench.figures import RATIOS, median_of, speed_figures
from voorrang.bench.measuring import Row
from voorrang.bench.names import DCMTK_FORK, DCMTK_FSYNC, DURABLE, LARGE, ORTHANC, PYNETDICOM_APP, SMALL, VOLATILE

EVERY = (DCMTK_FORK, DCMTK_FSYNC, DURABLE, ORTHANC, PYNETDICOM_APP, VOLATILE)


def row(
    receiver: str,
    speed: float,
    associations: int = 1,
    *,
    data: str = LARGE,
    round_number: int = 1,
    cpu: float = 1.0,
    hashing: float | None = None,
    ok: bool = True,
) -> Row:
    return Row(
        receiver=receiver,
        data=data,
        associations=associations,
        round=round_number,
        instances=300,
        seconds=300 / speed,
        mb_per_s=speed / 2,
        instances_per_s=speed,
        idle_cpu_share=0.0,
        cpu_s_per_gb=cpu,
        hash_cpu_s_per_gb=hashing,
        cpu_s_per_gb_by_process={"listener": cpu / 2},
        peak_rss_mb=20.0,
        largest_process_rss_mb=20.0,
        ok=ok,
    )


def test_a_ratio_of_speeds_is_the_lower_one() -> None:
    rows = [row(VOLATILE, 500, 1), row(DCMTK_FORK, 400, 1), row(VOLATILE, 450, 4), row(DCMTK_FORK, 500, 4)]

    assert speed_figures(rows)["volatile_to_dcmtk_fork"] == 0.9


def test_a_ratio_of_cpu_seconds_is_the_higher_one() -> None:
    rows = [row(VOLATILE, 1, 1, cpu=1.5), row(DCMTK_FORK, 1, 1, cpu=1.0)]
    rows += [row(VOLATILE, 1, 4, cpu=1.0), row(DCMTK_FORK, 1, 4, cpu=2.0)]

    assert speed_figures(rows)["cpu_per_gb_to_dcmtk"] == 1.5


def test_medians_are_compared_not_single_rounds() -> None:
    rows = [row(DURABLE, speed, n, round_number=i) for n in (1, 4) for i, speed in enumerate((100, 300, 900), start=1)]
    rows += [row(DCMTK_FSYNC, speed, n, round_number=i) for n in (1, 4) for i, speed in enumerate((1, 150, 999), 1)]

    assert speed_figures(rows)["durable_to_dcmtk_fsync"] == 2.0


def test_the_round_that_warms_up_counts_in_no_figure() -> None:
    rows = [row(DURABLE, 1, round_number=0), row(DURABLE, 100)]

    assert median_of(rows, DURABLE, LARGE, 1, lambda one: one.instances_per_s) == 100


def test_a_run_that_lost_something_counts_in_no_figure_but_is_told() -> None:
    rows = [row(DURABLE, 900, ok=False), row(DURABLE, 100)]

    assert median_of(rows, DURABLE, LARGE, 1, lambda one: one.instances_per_s) == 100
    assert speed_figures(rows)["rows_not_ok"] == 1


def test_a_figure_without_its_peer_is_left_out() -> None:
    rows = [row(receiver, 100, n) for receiver in EVERY if receiver != ORTHANC for n in (1, 4)]

    figures = speed_figures(rows)

    assert "durable_to_orthanc" not in figures
    assert figures["durable_to_dcmtk_fork"] == 1.0


def test_a_figure_of_one_number_of_associations_alone_is_left_out() -> None:
    assert "durable_to_dcmtk_fork" not in speed_figures([row(DURABLE, 100, 4), row(DCMTK_FORK, 100, 4)])


def test_small_instances_are_not_compared_with_large_ones() -> None:
    rows = [row(VOLATILE, 100, n, data=SMALL) for n in (1, 4)] + [row(DCMTK_FORK, 100, n, data=LARGE) for n in (1, 4)]

    assert "small_to_dcmtk" not in speed_figures(rows)


def test_the_content_hash_is_a_figure_of_its_own() -> None:
    rows = [row(DURABLE, 100, 1, hashing=0.4), row(DURABLE, 100, 4, hashing=0.5)]

    assert speed_figures(rows)["hash_cpu_s_per_gb"] == 0.5


@pytest.mark.parametrize("ratio", RATIOS, ids=lambda ratio: ratio.name)
def test_every_ratio_comes_out_of_a_whole_run(ratio: object) -> None:
    rows = [row(receiver, 100, n, data=data) for receiver in EVERY for n in (1, 4) for data in (LARGE, SMALL)]

    assert speed_figures(rows)[getattr(ratio, "name", "")] in {1.0, 0.5}
