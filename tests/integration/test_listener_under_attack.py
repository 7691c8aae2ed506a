"""Whatever comes over a connection, and however slowly, the listener goes on for everybody else."""

from __future__ import annotations

import random
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from ingest.admission import StoreStatus
from ingest.listening.protocol import AbortReason, encode_abort
from ingest.listening.server import MAX_UNASKED
from ingest.tally import Count
from tests import pdus
from tests.integration.knocking import (
    SOON,
    TIMEOUT_SECONDS,
    connect,
    knocking,
    make_impatient,
    parts,
    read_pdu,
    read_to_end,
    serving_threads,
    wait_until_nobody_is_served,
)
from tests.integration.listener_log import Line, listener_log, reasons
from tests.integration.listening import (
    CT,
    CT_CONTEXT,
    STUDY,
    Station,
    echo,
    encoded,
    listening,
    make_ct,
    own_database,
    send,
)
from tests.neighbours.raw_scu import RawSCU
from tests.neighbours.starting import wait_until
from voorrang.clock import ManualClock
from voorrang.database import Database

pytestmark = [
    pytest.mark.integration,
    # What pydicom says of damaged data sets goes to the log in a running service; here it would end a thread.
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

STREAMS = 400
GROWTH_KB = 20_000
IDLE = 150
LARGE = 6_000_000  # more than is held in memory
INSTANCE = f"{STUDY}.1.1"
ABORTED = encode_abort(AbortReason.NOT_SPECIFIED)
PATIENT = {"request_seconds": 600.0, "message_seconds": 600.0, "idle_seconds": 600.0}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with own_database(tmp_path) as opened:
        yield opened


@pytest.fixture
def make(database: Database, tmp_path: Path, clock: ManualClock) -> Callable[..., Station]:
    def made(**seconds: Any) -> Station:
        return make_impatient(database, tmp_path / "data", clock, seconds={**PATIENT, **seconds})

    return made


@pytest.fixture
def log() -> Iterator[Callable[[], list[Line]]]:
    with listener_log() as read:
        yield read


def resident_kb() -> int:
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0])


def large_store() -> bytes:
    return pdus.store_message(INSTANCE, bytes(LARGE), [100_000] * (LARGE // 100_000))


def test_damaged_streams_end_their_own_association_and_nobody_elses(
    make: Callable[..., Station], log: Callable[[], list[Line]]
) -> None:
    data_set = encoded(make_ct())
    message = pdus.store_message(INSTANCE, data_set, [100, 0, 50])
    whole = message + pdus.echo_message(2) + pdus.store_message(INSTANCE, data_set) + pdus.pdu(pdus.RELEASE, bytes(4))
    chance, before_kb = random.Random(4), 0
    with listening(make()) as station, RawSCU(station.port) as watcher:
        for number in range(STREAMS):
            if number == STREAMS // 4:
                before_kb = resident_kb()  # from here on everything has been loaded and used
            request = pdus.associate_request()
            if number % 4 == 0:
                push(station.port, pdus.mutate(request, chance) + whole)
            else:
                push(station.port, request + pdus.mutate(whole, chance))
            assert watcher.echo() == StoreStatus.SUCCESS, f"after stream {number}"
        assert resident_kb() - before_kb < GROWTH_KB
        wait_until(lambda: serving_threads() == 1, TIMEOUT_SECONDS, "more is served than the one who watches")
        assert parts(station) == []
        assert station.receiver.tally.read(Count.ASSOCIATIONS_OPEN) == 1
    endings = {line["event"] for line in log()}
    assert "association protocol" in endings
    assert not {"association failed", "C-STORE failed"} & endings
    station.take_in()


def push(port: int, stream: bytes) -> None:
    """Send a stream to its end and wait until the listener hangs up."""
    with connect(port) as connection, suppress(BrokenPipeError, ConnectionResetError, OSError):
        connection.sendall(stream)
        connection.shutdown(socket.SHUT_WR)
        read_to_end(connection)


def test_whoever_connects_and_says_nothing_is_dropped(
    make: Callable[..., Station], log: Callable[[], list[Line]]
) -> None:
    with listening(make(request_seconds=SOON)) as station, connect(station.port) as connection:
        assert read_to_end(connection) == ABORTED
    assert [(line["event"], line["reason"]) for line in log()] == [("association too_slow", "too_slow")]


def trickle(connection: socket.socket, stream: bytes) -> int:
    """Send a byte now and then until the listener hangs up; return how many it took."""
    for number in range(len(stream)):
        readable, _, _ = select.select([connection], [], [], SOON / 10)
        if readable:
            return number
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(stream[number : number + 1])
    return len(stream)


def test_whoever_asks_a_byte_at_a_time_is_dropped(make: Callable[..., Station], log: Callable[[], list[Line]]) -> None:
    with listening(make(request_seconds=SOON)) as station, connect(station.port) as connection:
        assert 0 < trickle(connection, pdus.associate_request()) < len(pdus.associate_request())
    assert reasons(log()) == ["too_slow"]


@pytest.mark.parametrize("where", ["in the header of a PDU", "in a command", "between PDUs", "in a data set"])
def test_whoever_sends_a_message_a_byte_at_a_time_is_dropped(
    make: Callable[..., Station], log: Callable[[], list[Line]], where: str
) -> None:
    message = pdus.store_message(INSTANCE, encoded(make_ct()), [100])
    command = len(pdus.store_message(INSTANCE, b"")) - 12
    at_once = {"in the header of a PDU": 1, "in a command": 30, "between PDUs": command, "in a data set": command + 20}
    with (
        listening(make(idle_seconds=SOON, message_seconds=SOON)) as station,
        knocking(station.port) as (connection, answer),
    ):
        assert answer[0] == pdus.ACCEPTED
        connection.sendall(message[: at_once[where]])
        assert trickle(connection, message[at_once[where] :]) < len(message) - at_once[where]
        assert read_to_end(connection) in (ABORTED, b"")
    assert reasons(log())[-1] == "too_slow"
    assert station.stored() == []
    assert parts(station) == []


def test_an_idle_association_is_aborted(make: Callable[..., Station], log: Callable[[], list[Line]]) -> None:
    with listening(make(idle_seconds=SOON)) as station, knocking(station.port) as (connection, _):
        connection.sendall(pdus.echo_message())
        assert read_pdu(connection)[0] == pdus.DATA
        assert read_to_end(connection) == ABORTED
    assert reasons(log()) == ["idle"]


def is_served(station: Station) -> bool:
    """Send as a modality does, which comes again when it was not let in."""
    try:
        return send(station.port, [make_ct(1), make_ct(2)]) == [StoreStatus.SUCCESS] * 2
    except AssertionError:
        return False


def test_many_who_say_nothing_starve_nobody(make: Callable[..., Station]) -> None:
    with listening(make()) as station, ExitStack() as held:
        silent = [held.enter_context(connect(station.port)) for _ in range(IDLE)]
        wait_until(lambda: is_served(station), TIMEOUT_SECONDS, "a sender that asks is not served")
        oldest = silent[: IDLE - MAX_UNASKED]
        assert [read_to_end(one) for one in oldest] == [b""] * len(oldest)
        assert serving_threads() <= MAX_UNASKED + 1
        held.close()
        wait_until_nobody_is_served()


def test_many_who_come_and_go_leave_no_thread_behind(make: Callable[..., Station]) -> None:
    with listening(make()) as station:
        for _ in range(IDLE):
            connect(station.port).close()
        assert echo(station.port) == StoreStatus.SUCCESS
        wait_until_nobody_is_served()


def test_a_sender_that_goes_amid_a_large_instance_leaves_no_part_file(make: Callable[..., Station]) -> None:
    with listening(make()) as station:
        with knocking(station.port) as (connection, _):
            connection.sendall(large_store()[:-50_000])
            wait_until(lambda: len(parts(station)) == 1, TIMEOUT_SECONDS, "no part file")
        wait_until_nobody_is_served()
        assert station.stored() == []
        assert parts(station) == []
        assert send(station.port, [make_ct()]) == [StoreStatus.SUCCESS]


@pytest.mark.parametrize("size", [1_000, LARGE - 50_000])
def test_a_listener_that_is_closed_amid_an_instance_aborts_and_keeps_nothing_of_it(
    make: Callable[..., Station], log: Callable[[], list[Line]], size: int
) -> None:
    with ExitStack() as held:
        with listening(make()) as station:
            connection, _ = held.enter_context(knocking(station.port))
            connection.sendall(large_store()[:size])
            wait_until(lambda: bool(parts(station)) == (size > 1_000), TIMEOUT_SECONDS, "no part file")
        assert read_to_end(connection) in (ABORTED, b"")
        wait_until_nobody_is_served()
    assert station.stored() == []
    assert parts(station) == []
    assert station.receiver.tally.read(Count.ASSOCIATIONS_OPEN) == 0
    assert [line["event"] for line in log()][-1] == "association stopped"


def test_a_disk_that_fills_amid_an_instance_gets_its_room_back_at_once(make: Callable[..., Station]) -> None:
    piece = pdus.pdu(pdus.DATA, pdus.pdv(pdus.CT_CONTEXT, 0, bytes(100_000)))
    last = pdus.pdu(pdus.DATA, pdus.pdv(pdus.CT_CONTEXT, pdus.LAST, b""))
    begun = pdus.store_message(INSTANCE, b"").removesuffix(last)
    with listening(make()) as station, knocking(station.port) as (connection, _):
        head = pdus.pdu(pdus.DATA, pdus.pdv(pdus.CT_CONTEXT, 0, encoded(make_ct())))
        connection.sendall(begun + head + piece * (LARGE // 100_000))
        wait_until(lambda: len(parts(station)) == 1, TIMEOUT_SECONDS, "no part file")
        station.runtime.archive.reserve_bytes = 10**18
        connection.sendall(piece * (LARGE // 100_000))
        wait_until(lambda: parts(station) == [], TIMEOUT_SECONDS, "the part file stays")
        station.runtime.archive.reserve_bytes = 0
        connection.sendall(last)
        assert StoreStatus.OUT_OF_RESOURCES.to_bytes(2, "little") in read_pdu(connection)
    assert station.stored() == []


def test_a_store_over_the_context_of_an_echo_is_refused(make: Callable[..., Station]) -> None:
    with listening(make()) as station, RawSCU(station.port, [CT_CONTEXT]) as scu:
        echo_context = (pdus.VERIFICATION, pdus.IMPLICIT_LITTLE)
        status = scu.store(echo_context, CT, INSTANCE, encoded(make_ct()))
        assert status == StoreStatus.SOP_CLASS_NOT_SUPPORTED
        assert scu.store(CT_CONTEXT, CT, INSTANCE, encoded(make_ct())) == StoreStatus.SUCCESS
    assert [one.reason for one in station.refused()] == ["sop_class_not_agreed"]
