"""A listener that starts again reads its whole log; it holds no more of it than one record."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.write_ahead import append, make_log
from voorrang.archive.write_ahead_log import SEGMENT_BYTES

pytestmark = pytest.mark.integration

PAYLOAD = bytes(1 << 20)
RECOVER = """
import json, sys
from pathlib import Path
from ingest.ledger import LedgerWriter
from ingest.listening.journaling import Journal
from voorrang.archive.archive import Archive
from voorrang.archive.instance_files import InstanceFiles
from voorrang.archive.write_ahead_log import WriteAheadLog
from voorrang.bench.processes import peak_rss_bytes
import os

root = Path(sys.argv[1])
journal = Journal(LedgerWriter(root / "ledger"), WriteAheadLog(root / "write-ahead"), InstanceFiles(Archive(root)))
before = peak_rss_bytes(os.getpid())
recovered = journal.recover()
print(json.dumps([recovered, peak_rss_bytes(os.getpid()) - before]))
"""


def recovered_and_growth_bytes(root: Path) -> list[int]:
    command = [sys.executable, "-c", RECOVER, str(root)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    found: list[int] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("is_covered", [True, False], ids=["after an end in order", "after a crash"])
def test_memory_does_not_grow_with_the_log(tmp_path: Path, is_covered: bool) -> None:
    log = make_log(tmp_path / "write-ahead", segment_bytes=SEGMENT_BYTES)
    log.open()
    serials = [append(log, b'{"locator": "studies/1/2/%d.dcm"}' % n, PAYLOAD) for n in range(60)]
    for serial in serials:
        log.settle(serial)
    if is_covered:
        log.checkpoint(serials[-1])
    log.close()
    recovered, growth_bytes = recovered_and_growth_bytes(tmp_path)
    assert recovered == (0 if is_covered else 60)
    assert growth_bytes < 12 * len(PAYLOAD)
