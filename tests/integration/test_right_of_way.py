"""A sender whose lane is urgent goes first at the door; the others are answered all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag

import pytest

from ingest.admission import StoreStatus
from ingest.listening import right_of_way
from ingest.listening.right_of_way import RightOfWay
from ingest.listening.server import Server
from tests.integration.listener_log import listener_log
from tests.integration.listening import CT, CT_CONTEXT, Station, encoded, make_ct, make_station, own_database
from tests.neighbours.raw_scu import RawSCU
from tests.neighbours.starting import wait_until
from voorrang.clock import ManualClock
from voorrang.events.records import Lane
from voorrang.settings import SenderRule

pytestmark = pytest.mark.integration

SECONDS = 20
SENDERS = {
    "EMERGENCY": SenderRule(lane="urgent"),
    "STROKE": SenderRule(lane="urgent"),
    "SLOW": SenderRule(lane="urgent", max_instances_per_second=0.01),
    "WARD": SenderRule(lane="routine"),
}


class Watched(RightOfWay):
    """Tells when it was taken, and when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_awaited = Flag()
        self.taken = 0

    def take(self, who: int) -> None:
        """Take it, and tell."""
        super().take(who)
        self.taken += 1

    def give(self, pause: Callable[[float], bool]) -> float:
        """Give way, and tell when that is to wait."""

        def told(seconds: float) -> bool:
            self.is_awaited.set()
            return pause(seconds)

        return super().give(told)


@pytest.fixture
def way() -> Watched:
    return Watched()


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    with own_database(tmp_path) as database:
        yield make_station(database, tmp_path / "data", clock, senders=SENDERS)


@pytest.fixture(autouse=True)
def server(station: Station, way: Watched) -> Iterator[Server]:
    opened = Server(station.receiver.configuration, station.receiver, right_of_way=way)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody but an end of the urgent instance end the wait."""
    monkeypatch.setattr(right_of_way, "GIVE_SECONDS", 60.0)
    monkeypatch.setattr(right_of_way, "HOLD_SECONDS", 60.0)


@contextmanager
def urgent_half_way(station: Station, way: Watched) -> Iterator[RawSCU]:
    """Have an urgent sender in the middle of an instance."""
    ds = make_ct(1)
    scu = RawSCU(station.port, [CT_CONTEXT], calling="EMERGENCY").__enter__()
    scu.store_half(CT_CONTEXT, CT, str(ds.SOPInstanceUID), encoded(ds)[:100])
    try:
        wait_until(lambda: way.taken >= 2, SECONDS, "it was not taken for the command and again for the fragment")
        yield scu
    finally:
        scu.vanish()


def store(station: Station, number: int, calling: str) -> int:
    ds = make_ct(number)
    with RawSCU(station.port, [CT_CONTEXT], calling=calling) as scu:
        return scu.store(CT_CONTEXT, CT, str(ds.SOPInstanceUID), encoded(ds))


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("calling", ["WARD", "UNKNOWN"])
def test_others_are_answered_when_the_urgent_instance_is_over_and_the_log_tells_how_long_that_was(
    station: Station, way: Watched, calling: str
) -> None:
    with ThreadPoolExecutor() as pool, listener_log() as log:
        with urgent_half_way(station, way):
            answer: Future[int] = pool.submit(store, station, 2, calling)
            assert way.is_awaited.wait(SECONDS)
            assert not answer.done()
            assert len(station.stored()) == 1  # it is safe before it is answered
        assert answer.result(SECONDS) == StoreStatus.SUCCESS
        wait_until(lambda: any("association released" in str(line) for line in log()), SECONDS, "no line in the log")
        assert [line["gave_way_seconds"] >= 0 for line in log() if "gave_way_seconds" in line] == [True]


@pytest.mark.usefixtures("patient")
def test_urgent_senders_do_not_wait_for_each_other(station: Station, way: Watched) -> None:
    with urgent_half_way(station, way):
        assert store(station, 2, "STROKE") == StoreStatus.SUCCESS
    assert not way.is_awaited.is_set()


def test_an_urgent_sender_that_is_held_to_a_rate_keeps_nobody_meanwhile(
    station: Station, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(right_of_way, "GIVE_SECONDS", 60.0)

    def send_two() -> list[int]:
        with RawSCU(station.port, [CT_CONTEXT], calling="SLOW") as scu:
            both = [make_ct(number) for number in (1, 2)]
            return [scu.store(CT_CONTEXT, CT, str(ds.SOPInstanceUID), encoded(ds)) for ds in both]

    with ThreadPoolExecutor() as pool:
        sending = pool.submit(send_two)
        wait_until(lambda: len(station.stored()) == 2, SECONDS, "the second was not stored")
        assert pool.submit(store, station, 3, "WARD").result(SECONDS) == StoreStatus.SUCCESS
        assert not sending.done()
        server.close()
        sending.exception(SECONDS)


def test_nobody_is_kept_for_long_by_an_urgent_sender_that_stalls(station: Station, way: Watched) -> None:
    with urgent_half_way(station, way):
        assert store(station, 2, "WARD") == StoreStatus.SUCCESS


@pytest.mark.parametrize(("lane", "is_known"), [("urgent", True), ("routine", False), (None, False)])
def test_who_is_urgent_is_said_by_the_senders_lane(
    tmp_path: Path, clock: ManualClock, lane: Lane | None, is_known: bool
) -> None:
    with own_database(tmp_path) as database:
        made = make_station(database, tmp_path / "data", clock, senders={"CT": SenderRule(lane=lane)})
        assert made.receiver.configuration.has_urgent_senders() is is_known
