"""`voorrang bench ingest`, as small as it gets, with the peers that are here; and what it is made of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from time import process_time
from typing import Any

import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage

from tests.neighbours.dcmtk import dcmtk_program
from tests.neighbours.starting import free_port
from voorrang.bench.crowding import Crowd, make_templates, stamp_all
from voorrang.bench.measuring import Stamps
from voorrang.bench.names import DCMTK_FORK
from voorrang.bench.processes import PeakWatch, cpu_seconds, peak_rss_bytes, process_tree
from voorrang.bench.programs import PeerMissingError, environment
from voorrang.bench.syncing import SyncShim, compile_sync_shim

pytestmark = pytest.mark.integration
COLUMNS = ("mb_per_s", "instances_per_s", "cpu_s_per_gb", "peak_rss_mb")


class Peer:
    """pynetdicom as the receiver of a crowd: keeps the UIDs."""

    def __init__(self, *, knows_our_title: bool = True) -> None:
        self.port = free_port()
        self.uids: list[str] = []
        self._lock = Lock()
        self._ae = AE()
        self._ae.require_called_aet = not knows_our_title
        self._ae.add_supported_context(CTImageStorage)
        self._server = self._ae.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )

    def _store(self, event: Any) -> int:
        uid = event.dataset.SOPInstanceUID
        with self._lock:
            self.uids.append(uid)
        return 0x0000 if uid == event.request.AffectedSOPInstanceUID else 0xA900

    def close(self) -> None:
        """Stop."""
        self._ae.shutdown()


@pytest.fixture
def peer() -> Iterator[Peer]:
    started = Peer()
    yield started
    started.close()


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> SyncShim:
    try:
        return compile_sync_shim(tmp_path_factory.mktemp("shim"))
    except PeerMissingError as error:
        pytest.skip(str(error))


@pytest.mark.timeout(280)
def test_a_small_bench_gives_rows_of_every_receiver_that_is_here_and_ends_well(tmp_path: Path) -> None:
    dcmtk_program("storescp")
    command = [sys.executable, "-m", "voorrang", "bench", "ingest", "--json", "--scratch", str(tmp_path)]
    command += ["--large", "5", "--small", "2", "--rounds", "0"]  # each warms up once, and the memory of ours

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert set(report) == {"figures", "rows", "machine"}
    receivers = {row["receiver"] for row in report["rows"]}
    assert DCMTK_FORK in receivers
    assert not receivers & set(report["machine"]["missing"])
    assert [row["problem"] for row in report["rows"] if not row["ok"]] == []
    assert all(row[column] is not None for row in report["rows"] for column in COLUMNS)
    assert list(tmp_path.iterdir()) == []


def test_the_shim_syncs_what_was_written_and_nothing_else(shim: SyncShim, tmp_path: Path) -> None:
    before = shim.synced()
    (tmp_path / "read").write_text("")
    script = "import sys; open(sys.argv[1], 'w').close(); open(sys.argv[2]).close()"

    subprocess.run(
        [sys.executable, "-S", "-c", script, str(tmp_path / "written"), str(tmp_path / "read")],
        env=environment(PYTHONDONTWRITEBYTECODE="1", **shim.environment),
        check=True,
    )

    assert shim.synced() - before == 1


def test_every_sender_of_a_crowd_counts_what_was_answered_with_success(peer: Peer, tmp_path: Path) -> None:
    templates = make_templates(tmp_path, "64x64", 64, 2)
    stamp_all(templates, Stamps())

    with Crowd(peer.port, templates, per_second=0, seconds=1) as crowd:
        tally = crowd.wait()

    assert tally.refused == tally.lost == 0
    assert tally.accepted == tally.sent == len(set(peer.uids)) > 0
    assert len(set(crowd.study_instance_uids)) == 2


def test_a_crowd_tells_of_associations_that_were_refused(tmp_path: Path) -> None:
    stranger = Peer(knows_our_title=False)
    try:
        with Crowd(stranger.port, make_templates(tmp_path, "64x64", 64, 3), per_second=5, seconds=1) as crowd:
            assert crowd.wait().refused == 3
    finally:
        stranger.close()


def test_a_sender_without_a_receiver_is_refused(tmp_path: Path) -> None:
    with Crowd(free_port(), make_templates(tmp_path, "64x64", 64, 1), per_second=5, seconds=1) as crowd:
        assert crowd.wait().refused == 1


def test_cpu_and_memory_of_children_count_for_the_one_that_started_them() -> None:
    child = "x = bytearray(60_000_000)\nfor _ in range(3_000_000): pass\nprint(flush=True)\ninput()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}]); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        with PeakWatch([process.pid]) as peak:
            assert len(process_tree(process.pid)) == 2
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()  # the child has ended

        assert peak.largest_bytes > 60_000_000 > peak_rss_bytes(process.pid)
        assert peak.sum_bytes > peak.largest_bytes
        assert process_tree(process.pid) == [process.pid]
        assert cpu_seconds(process.pid) > 0
        process.stdin.write("\n")


def test_what_a_process_uses_is_told_finer_than_the_kernel_ticks() -> None:
    for _ in range(5):
        before, began = cpu_seconds(os.getpid()), process_time()
        while process_time() - began < 0.003:
            pass

        assert cpu_seconds(os.getpid()) - before >= 0.003
