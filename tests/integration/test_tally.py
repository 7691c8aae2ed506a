from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.tally import Count, Tally, read_tallies, tally_path

pytestmark = pytest.mark.integration


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "archive" / "listener.tally"


def test_a_new_tally_has_counted_nothing(path: Path) -> None:
    tally = Tally(path)
    assert {count: tally.read(count) for count in Count} == dict.fromkeys(Count, 0)


def test_each_count_has_a_slot_of_its_own(path: Path) -> None:
    tally = Tally(path)
    for count in Count:
        tally.add(count, by=int(count) + 1)
    assert [tally.read(count) for count in Count] == [int(count) + 1 for count in Count]


def test_a_slot_never_gets_another_meaning() -> None:
    """The file outlives a version of the program: whoever adds a count gives it a number that was never used."""
    told = {
        "STARTED": 0, "NEW": 1, "DUPLICATE": 2, "CONFLICT": 3, "REFUSED": 4, "ASSOCIATIONS_OPENED": 5,
        "ASSOCIATIONS_OPEN": 6, "ASSOCIATIONS_REJECTED": 7, "ASSOCIATIONS_ABORTED": 8, "BYTES": 9, "ECHOES": 10,
        "GAVE_WAY_MS": 11,
    }  # fmt: skip
    assert {count.name: count.value for count in Count}.items() >= told.items()


def test_counts_go_down_too(path: Path) -> None:
    tally = Tally(path)
    tally.add(Count.ASSOCIATIONS_OPEN, 3)
    tally.add(Count.ASSOCIATIONS_OPEN, -1)
    assert tally.read(Count.ASSOCIATIONS_OPEN) == 2


def test_more_bytes_than_fit_in_32_bits(path: Path) -> None:
    tally = Tally(path)
    for _ in range(3):
        tally.add(Count.BYTES, 4 << 30)
    assert tally.read(Count.BYTES) == 12 << 30


def test_another_reads_along(path: Path) -> None:
    writer, reader = Tally(path), Tally(path)
    writer.add(Count.NEW, 5)
    assert reader.read(Count.NEW) == 5
    writer.add(Count.NEW)
    assert reader.read(Count.NEW) == 6


def test_what_was_counted_survives_a_process_that_is_killed(path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from ingest.tally import Count, Tally;"
        "Tally(Path(sys.argv[1])).add(Count.NEW, 7); os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", code, str(path)], env=os.environ | {"PYTHONPATH": str(root)})
    assert ended.returncode == -9
    assert Tally(path).read(Count.NEW) == 7


def test_a_listener_that_starts_has_nothing_open_and_goes_on_counting(path: Path) -> None:
    first = Tally(path)
    first.begin()
    first.add(Count.ASSOCIATIONS_OPEN, 4)
    first.add(Count.NEW, 9)
    first.close()

    second = Tally(path)
    second.begin()
    assert second.read(Count.STARTED) == 2
    assert second.read(Count.ASSOCIATIONS_OPEN) == 0
    assert second.read(Count.NEW) == 9


def test_threads_count_together(path: Path) -> None:
    tally = Tally(path)

    def count_many(_: int) -> None:
        for _ in range(2000):
            tally.add(Count.NEW)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count_many, range(4)))
    assert tally.read(Count.NEW) == 8000


@pytest.mark.parametrize("left", [b"", b"\1\2\3"])
def test_a_tally_that_a_crash_has_left_short_counts_nothing(tmp_path: Path, left: bytes) -> None:
    tally = Tally(tally_path(tmp_path, 0))
    tally.add(Count.NEW, 3)
    tally_path(tmp_path, 1).write_bytes(left)
    assert read_tallies(tmp_path, Count.NEW) == 3
