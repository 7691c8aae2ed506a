"""The limits on associations hold over all processes of the listener, and a process that dies takes no place along."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ingest.tally import Count
from tests import pdus
from tests.integration.knocking import TIMEOUT_SECONDS, knocking, read_to_end
from tests.integration.listener_process import ListenerProcess, listener_process
from tests.neighbours.starting import wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="addresses of loopback, and processes read from /proc"),
]

MOST = 4  # associations; one address can have half of them
LOCAL_LIMIT = bytes([2, 3, 2])  # result, source and reason of A-ASSOCIATE-RJ (PS3.8 section 9.3.4)
FIRST, SECOND, THIRD = "127.0.0.1", "127.0.0.2", "127.0.0.3"


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[ListenerProcess]:
    with listener_process(tmp_path, max_associations=MOST) as running:
        yield running


@pytest.fixture
def held() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def hold(held: ExitStack, listener: ListenerProcess, source: str, count: int) -> None:
    """Open associations from an address, and keep them until the end of the test."""
    answers = [held.enter_context(knocking(listener.port, source=source))[1] for _ in range(count)]
    assert [answer[0] for answer in answers] == [pdus.ACCEPTED] * count


def is_over_the_limit(listener: ListenerProcess, source: str) -> bool:
    """Tell whether one association more from an address is rejected for their number."""
    with knocking(listener.port, source=source) as (_, answer):
        return answer[0] == pdus.REJECTED and answer[7:10] == LOCAL_LIMIT


def test_limits_count_what_other_processes_of_the_listener_have(listener: ListenerProcess, held: ExitStack) -> None:
    one, other, *_ = listener.workers()
    with listener.served_by(one):
        hold(held, listener, FIRST, MOST // 2)
    with listener.served_by(other):
        assert is_over_the_limit(listener, FIRST)
        hold(held, listener, SECOND, MOST // 2)
        assert is_over_the_limit(listener, THIRD)
    with listener.served_by(one):
        assert is_over_the_limit(listener, THIRD)
    assert listener.count(Count.ASSOCIATIONS_OPEN) == MOST


def test_place_that_was_given_back_in_one_process_is_free_in_another(
    listener: ListenerProcess, held: ExitStack
) -> None:
    one, other, *_ = listener.workers()
    with listener.served_by(one):
        connection, _ = held.enter_context(knocking(listener.port, source=FIRST))
        hold(held, listener, FIRST, MOST // 2 - 1)
        hold(held, listener, SECOND, MOST // 2)
        connection.sendall(pdus.pdu(pdus.RELEASE, bytes(4)))
        assert read_to_end(connection)[0] == pdus.RELEASED
        wait_until(lambda: listener.count(Count.ASSOCIATIONS_OPEN) == MOST - 1, TIMEOUT_SECONDS, "the place to be free")
    with listener.served_by(other):
        hold(held, listener, THIRD, 1)
        assert is_over_the_limit(listener, FIRST)


def test_places_of_a_process_that_was_killed_are_free_and_those_of_the_others_are_not(
    listener: ListenerProcess, held: ExitStack
) -> None:
    one, other, *_ = listener.workers()
    with listener.served_by(one):
        hold(held, listener, FIRST, MOST // 2)
    with listener.served_by(other):
        hold(held, listener, SECOND, MOST // 2)
    os.kill(other, signal.SIGKILL)
    # Whoever replaces it counts anew, after its places were given back.
    wait_until(lambda: listener.count(Count.ASSOCIATIONS_OPEN) == MOST // 2, TIMEOUT_SECONDS, "a process in its place")
    assert other not in listener.workers()
    with listener.served_by(one):
        assert is_over_the_limit(listener, FIRST)
        hold(held, listener, SECOND, MOST // 2)
        assert is_over_the_limit(listener, THIRD)
