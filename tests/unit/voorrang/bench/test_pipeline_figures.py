"""What the pipeline bench makes of its runs."""

from __future__ import annotations

from voorrang.bench.pipeline import latency_figures
from voorrang.bench.pipeline_model import SLICES, make_slices
from voorrang.bench.pipeline_studies import _stamps
from voorrang.bench.slices import data_set_of, study_uid


def test_the_95th_percentile_is_the_smallest_that_95_of_100_are_not_above() -> None:
    found = latency_figures([float(n) for n in range(100, 0, -1)])
    assert found == {"last_slice_to_ranked_p50_s": 50.5, "last_slice_to_ranked_p95_s": 95.0}


def test_a_stamp_makes_every_slice_another_study_order_and_person_of_the_same_length() -> None:
    files = make_slices()
    assert len(files) == SLICES
    data_set = bytearray(data_set_of(files[3]))
    before = len(data_set)
    for at, token in _stamps(bytes(data_set), 17):
        data_set[at : at + len(token)] = token
    assert len(data_set) == before
    assert study_uid(0).encode() not in data_set
    assert b"BENCH0001" not in data_set
    assert b"BENCH-1" not in data_set
    assert data_set.count(study_uid(17).encode()) == 5
