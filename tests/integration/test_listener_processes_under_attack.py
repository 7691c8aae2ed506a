"""
Thousands of damaged streams over sockets against the listener as it ships: its processes stay, and stay small.

They are sent by several at once, the hard way: each stream on a connection of its own, pushed to its end without a
look at the answers.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from socket import SHUT_WR

import pytest

from ingest.admission import StoreStatus
from ingest.tally import Count
from tests import pdus
from tests.integration.knocking import TIMEOUT_SECONDS, connect, read_to_end
from tests.integration.listener_process import ListenerProcess, listener_process
from tests.integration.listening import CT, CT_CONTEXT, STUDY, data_set_of, encoded, make_ct
from tests.neighbours.raw_scu import RawSCU
from tests.neighbours.starting import wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="memory and descriptors are read from /proc"),
]

WARM_UP, STREAMS = 300, 2_000
AT_ONCE = 8
MAX_GROWTH_KB = 6_000  # of each process, once everything has been loaded and used


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[ListenerProcess]:
    with listener_process(tmp_path) as running:
        yield running


def damaged(number: int) -> bytes:
    """Return an association with an instance of its own, of which some bytes are not what they should be."""
    chance = random.Random(number)
    message = pdus.store_message(f"{STUDY}.1.{number}", encoded(make_ct(number)), [100, 0, 50])
    whole = message + pdus.echo_message(2) + message + pdus.pdu(pdus.RELEASE, bytes(4))
    request = pdus.associate_request()
    return pdus.mutate(request, chance) + whole if number % 4 == 0 else request + pdus.mutate(whole, chance)


def push(listener: ListenerProcess, stream: bytes) -> bool:
    """Send a stream to its end and wait until the listener hangs up; tell whether it answered anything."""
    with connect(listener.port) as connection, suppress(OSError):
        connection.sendall(stream)
        connection.shutdown(SHUT_WR)
        return bool(read_to_end(connection))
    return False


def attack(listener: ListenerProcess, numbers: range) -> int:
    """Push so many streams, some at once; return how many were answered, when the last association has ended."""
    with ThreadPoolExecutor(AT_ONCE) as senders:
        answered = sum(senders.map(lambda number: push(listener, damaged(number)), numbers))
    wait_until(lambda: listener.count(Count.ASSOCIATIONS_OPEN) == 0, TIMEOUT_SECONDS, "associations are left over")
    return answered


def require_service(listener: ListenerProcess, worker: int, number: int) -> None:
    """Check that one of the processes answers, and stores what it is given."""
    good = make_ct(number)
    with listener.served_by(worker), RawSCU(listener.port, [CT_CONTEXT]) as scu:
        assert scu.echo() == StoreStatus.SUCCESS
        assert scu.store(CT_CONTEXT, CT, str(good.SOPInstanceUID), encoded(good)) == StoreStatus.SUCCESS
    (stored,) = (listener.archive_dir / "studies").rglob(f"{good.SOPInstanceUID}.dcm")
    assert data_set_of(stored.read_bytes()) == encoded(good)


def test_thousands_of_damaged_streams_leave_every_process_as_it_was_and_at_work(listener: ListenerProcess) -> None:
    workers = listener.workers()
    attack(listener, range(WARM_UP))
    descriptors, before_kb = listener.descriptors(), listener.resident_kb()

    assert attack(listener, range(WARM_UP, STREAMS)) > STREAMS // 2

    assert listener.workers() == workers
    after_kb = listener.resident_kb()
    growth_kb = {pid: after_kb[pid] - before_kb[pid] for pid in before_kb}
    assert max(growth_kb.values()) < MAX_GROWTH_KB, growth_kb
    wait_until(lambda: listener.descriptors() == descriptors, TIMEOUT_SECONDS, "descriptors are left over")
    assert listener.count(Count.NEW) > STREAMS // 10
    assert listener.count(Count.REFUSED) > STREAMS // 100
    for number, worker in enumerate(workers, STREAMS):
        require_service(listener, worker, number)
    assert list((listener.archive_dir / "incoming").iterdir()) == []
    said = (listener.archive_dir.parent / "listener.log").read_text()
    assert "association protocol" in said
    assert not [words for words in ("association failed", "C-STORE failed", "process died") if words in said]
